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
# # Where the gain comes from
#
# "Triton is six times faster" changes the handler, the engine, batching, the server and the
# protocol at once. Here one thing changes at a time, so that a gain has one cause. The run folder
# is given by the environment variable `STUDY_RUN`.

# %%
# IPython's display functions carry no types.
# mypy: allow-untyped-calls
import os
from pathlib import Path

import pandas as pd
from IPython.display import SVG, Markdown, display

from analysis.compare.intervals import Metric
from analysis.read.run import load_run
from analysis.report.figures.catalogue import figures
from analysis.report.summary import summarise
from analysis.report.words import bottlenecks, overload
from analysis.report.words.codes import said
from analysis.report.words.numbers import level, rate, verdict
from loadtests.records.markdown import inline

for cut in ("max_colwidth", "max_columns", "max_rows"):
    pd.set_option(f"display.{cut}", None)

if "STUDY_RUN" not in os.environ:
    raise SystemExit("expected the folder of a run in STUDY_RUN, found none: set it and try again.")
summary = summarise(load_run(Path(os.environ["STUDY_RUN"])))
drawn = figures(summary)

# %% [markdown]
# ## One change at a time
#
# Capacity multiplies along the chain; P50 and server CPU a request do so at the common rate.

# %%
if "waterfall" in drawn:
    display(SVG(drawn["waterfall"]))
pd.DataFrame(
    {
        "change": " and ".join(map(said, step.changes)),
        "from": step.before,
        "to": step.after,
        "capacity": verdict(step.capacity),
        "at": rate(step.rate_rps),
        **{said(metric): verdict(step.of(metric)) for metric in Metric},
    }
    for step in summary.ablation
)

# %% [markdown]
# ## What each contender was busy with where it answered the most

# %%
pd.DataFrame(
    {
        "contender": found.contender,
        "level": level(found.level),
        "bottleneck": said(found.bottleneck),
        "measured there": bottlenecks.because(found),
    }
    for found in summary.bottlenecks
)

# %% [markdown]
# ## When too much is asked

# %%
if "overload" in drawn:
    display(SVG(drawn["overload"]))
lines = [inline(overload.of_contender(found)) for found in summary.beyond_capacity]
display(Markdown("\n".join(f"* {line}" for line in lines)))
