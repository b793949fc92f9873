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
# # The device: curves, utilisation, prediction against measurement
#
# What batching is worth follows from one curve: how long a pass takes by batch size. On a CPU
# core it grows almost with the batch; on a GPU hardly at all, up to a point. The run folder is
# given by the environment variable `STUDY_RUN`.

# %%
# IPython's display functions carry no types.
# mypy: allow-untyped-calls
import os
from pathlib import Path

import pandas as pd
from IPython.display import Markdown, display

from analysis.report.devices_page import CURVES, read, short_table
from analysis.report.planning import checked
from analysis.report.words import devices, plan
from analysis.report.words.numbers import number, percent
from loadtests.records.device_curve import curve_named
from loadtests.records.markdown import inline

for cut in ("max_colwidth", "max_columns", "max_rows"):
    pd.set_option(f"display.{cut}", None)
BATCHES = (1, 2, 4, 8, 16, 32)
LENGTH_TOKENS = 64

if "STUDY_RUN" not in os.environ:
    raise SystemExit("expected the folder of a run in STUDY_RUN, found none: set it and try again.")

# %% [markdown]
# ## What a batch costs
#
# Texts a second by batch size, 64 tokens long: what one at a time leaves unused.

# %%
curves = [curve_named(name) for name in (*CURVES, "cpu-fp32-onnxruntime-small")]
pd.DataFrame(
    {"device": curve.label}
    | {f"batch {n}": number(n / curve.pass_s(n, LENGTH_TOKENS)) for n in BATCHES}
    for curve in curves
)

# %% [markdown]
# ## Whom to choose on which device
#
# Cards are simulated, and everything on them is predicted.

# %%
studies = read()
display(Markdown(short_table(studies)))
pd.DataFrame(
    {"device": devices.device(study), "rule": rule, "verdict": judged[0], "found": judged[1]}
    for study in studies
    for rule, judged in ((rule, judge(study)) for rule, judge in devices.RULES.items())
)

# %% [markdown]
# ## How far predictions are off
#
# Each point of this run, with costs from loads of the same run: no prediction of a run not seen.

# %%
found = checked(Path(os.environ["STUDY_RUN"]))
display(Markdown("\n".join(f"* {inline(line)}" for line in plan.goals(found))))
pd.DataFrame(
    {
        "contender": error.contender,
        "rate, rps": error.predicted.rate_rps,
        "share of the highest rate": percent(error.load),
        "throughput error": percent(error.throughput_error),
        "P50 error": percent(error.p50_error),
        "P99 error": percent(error.p99_error),
        "within the goals": error.within_goals,
    }
    for error in found.errors
)
