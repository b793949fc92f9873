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
# # One run, from rows to a recommendation
#
# The run folder is given by the environment variable `STUDY_RUN`. Every number below is computed
# from its rows, by the same functions that write the report.

# %%
# IPython's display functions carry no types.
# mypy: allow-untyped-calls
import os
from pathlib import Path

import pandas as pd
from IPython.display import SVG, Markdown, display

from analysis.load import load_run
from analysis.plots import figures
from analysis.sample import take_sample
from analysis.summary import summarise

if "STUDY_RUN" not in os.environ:
    raise SystemExit("expected the folder of a run in STUDY_RUN, found none: set it and try again.")
run = load_run(Path(os.environ["STUDY_RUN"]))
summary = summarise(run)
manifest = summary.manifest

# %%
lines = [f"Run `{manifest.run_id}`, {manifest.created_at}, commit `{manifest.git.commit}`."]
lines += [f"**{warning}**" for warning in summary.warnings]
display(Markdown("\n\n".join(lines)))

# %% [markdown]
# ## The recommendation

# %%
recommendation = summary.recommendation
display(
    pd.DataFrame(
        {
            "arrival rate": choice.rates,
            "choose": choice.contender or str(choice.answer),
            "because": choice.because,
        }
        for choice in recommendation.choices
    )
)
display(Markdown("\n".join(f"* {text}" for text in recommendation.conditions)))
display(Markdown("It would be reversed by:\n"))
display(Markdown("\n".join(f"* {text}" for text in recommendation.reversals)))

# %% [markdown]
# ## Every point

# %%
pd.DataFrame(
    {
        "contender": point.contender,
        "level": point.level,
        "SLO": str(point.slo_verdict or "not judged"),
        "reasons": ", ".join(sorted(point.reasons)),
        **(point.metrics.model_dump() if point.metrics else {}),
    }
    for point in summary.points
).round(3)

# %% [markdown]
# ## Figures

# %%
for svg in figures(summary).values():
    display(SVG(svg))

# %% [markdown]
# ## Latency from the scheduled time, and from the time of sending
#
# The difference is what coordinated omission hides: the wait of requests that were due while the
# client was held up. One row a trial; a null means that the sample is too small.

# %%
rows = []
for point in summary.points:
    for repeat in point.repeats:
        if repeat.metrics:
            metrics = repeat.metrics
            rows.append(
                {
                    "trial": repeat.trial_id,
                    "successes": metrics.n_ok,
                    "latency P99 ms": metrics.latency_p99_ms,
                    "service time P99 ms": metrics.service_time_p99_ms,
                    "send lag P99 ms": metrics.send_lag_p99_ms,
                }
            )
pd.DataFrame(rows).round(3)

# %% [markdown]
# ## The whole distribution of one trial
#
# Of the first trial that completed: latency by share of requests, from the rows.

# %%
trial = next(trial for trial in run.measurements if trial.completed)
latency_ms = pd.Series(take_sample(trial).latency_s * 1000, name=trial.record.trial_id)
latency_ms.describe(percentiles=[0.5, 0.9, 0.95]).round(3)

# %% [markdown]
# ## Where the gain comes from

# %%
pd.DataFrame(step.model_dump() for step in summary.ladder).round(3)
