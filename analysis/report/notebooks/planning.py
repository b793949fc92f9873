# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A plan and the winner map
#
# Who meets an SLO at a rate, with how many replicas, and what breaks first. The run folder, from
# which the costs of the servers come, is given by the environment variable `STUDY_RUN`.

# %%
# IPython's display functions carry no types.
# mypy: allow-untyped-calls
import os
from pathlib import Path

import pandas as pd
from IPython.display import SVG, Markdown, display

from analysis.report.figures.style import to_svg
from analysis.report.figures.winner_map import winner_map_figure
from analysis.report.planning import Asked, Planned, planned
from analysis.report.words import plan
from analysis.report.words.numbers import number, percent
from loadtests.records.device_curve import curve_named
from loadtests.records.experiment import Slo
from loadtests.records.markdown import inline

for cut in ("max_colwidth", "max_columns", "max_rows"):
    pd.set_option(f"display.{cut}", None)

if "STUDY_RUN" not in os.environ:
    raise SystemExit("expected the folder of a run in STUDY_RUN, found none: set it and try again.")
folder = Path(os.environ["STUDY_RUN"])
asked = Asked(rate_rps=500, slo=Slo(percentile=99, latency_ms=50, max_error_ratio=0.001))


def rows(found: Planned) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "contender": answer.contender,
            "replicas": answer.replicas,
            "used": percent(answer.utilisation),
            "P99, ms": number(answer.latency_s and answer.latency_s * 1000),
            "headroom": number(answer.headroom),
            "breaks first": plan.resource(answer),
            "known by": plan.evidence(answer, found.answered.labels.get(answer.contender, "")),
        }
        for answer in found.answered.answers
    )


def remarks(found: Planned) -> Markdown:
    lines = [*plan.basis(found), *plan.crossovers(found), *plan.caveats(found)]
    return Markdown("\n".join(f"* {inline(line)}" for line in lines))


# %% [markdown]
# ## On the machine of the run: 500 requests/s within 50 ms

# %%
found, winners = planned(folder, asked, None, with_map=True)
display(remarks(found))
rows(found)

# %% [markdown]
# The cheapest contender by rate and bound, solid where it was measured with one replica.

# %%
assert winners is not None
SVG(to_svg(winner_map_figure(winners, plan.cpu(found), found.run_id), "winner-map-cpu"))

# %% [markdown]
# ## Behind a simulated A100

# %%
card = curve_named("a100-fp16-tensorrt")
on_card = Asked(rate_rps=500, slo=asked.slo, cores=8)
found, winners = planned(folder, on_card, card, with_map=True)
display(remarks(found))
rows(found)

# %%
assert winners is not None
SVG(to_svg(winner_map_figure(winners, found.device, found.run_id), "winner-map-simulated"))
