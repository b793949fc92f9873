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

from analysis.compare.bootstrap import Metric
from analysis.read.run import load_run
from analysis.report.figures.catalogue import figures
from analysis.report.summary import summarise
from analysis.report.wording import (
    capacity_interval,
    interval,
    named_components,
    rate,
    reading,
    times_within,
    verdict,
)
from analysis.steady.steady_state import take_sample
from loadtests.records.markdown import code, inline

PERCENTILES = [0.5, 0.9, 0.95, 0.99]
for cut in ("max_colwidth", "max_columns", "max_rows"):
    pd.set_option(f"display.{cut}", None)  # a reason is read to its end, a table to its last row

if "STUDY_RUN" not in os.environ:
    raise SystemExit("expected the folder of a run in STUDY_RUN, found none: set it and try again.")
run = load_run(Path(os.environ["STUDY_RUN"]))
summary = summarise(run)
manifest = summary.manifest

# %%
commit = code(manifest.git.commit)
lines = [f"Run {code(manifest.run_id)}, {inline(manifest.created_at)}, commit {commit}."]
lines += [f"**{inline(warning)}**" for warning in summary.warnings]
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
display(Markdown("\n".join(f"* {inline(text)}" for text in recommendation.conditions)))
display(Markdown("It would be reversed by:\n"))
display(Markdown("\n".join(f"* {inline(text)}" for text in recommendation.reversals)))

# %% [markdown]
# ## What each contender is

# %%
pd.DataFrame(
    {
        "contender": contender.name,
        "what it is": contender.summary,
        "form": contender.form,
        "components": f"{contender.n_components}{named_components(contender)}",
    }
    for contender in summary.contenders
)

# %% [markdown]
# ## What each contender sustains
#
# Certified: so few requests were over the bound that, with 95 % confidence, the SLO is met there.

# %%
pd.DataFrame(
    {
        "SLO": str(capacity.slo),
        "contender": capacity.contender,
        "certified at": rate(capacity.certified_rps),
        "interval, rps": capacity_interval(capacity),
        "over the reference": times_within(capacity.ratio, capacity.ratio_low, capacity.ratio_high),
        "how surely": capacity.status,
    }
    for capacity in summary.capacities
)

# %% [markdown]
# ## What a million requests take
#
# Machine hours on one replica that is loaded all the time to its certified capacity, and their cost
# where the experiment has a price.

# %%
pd.DataFrame(
    {
        "contender": cost.contender,
        "certified at": rate(cost.certified_rps),
        "machine hours": interval(cost.machine_hours_low, cost.machine_hours_per_million),
        "cost": interval(cost.cost_low, cost.cost_per_million),
        "server CPU s per 1,000": cost.server_cpu_s_per_1000_requests,
    }
    for cost in summary.costs
).round(3)

# %% [markdown]
# ## How the search got there
#
# Every probe of the first contender that completed one, in the order in which they were made, and
# what all trials at each rate say together.

# %%
probes = [trial for trial in summary.trials if trial.purpose == "search"]
probed = {trial.contender for trial in probes if trial.completed}
chosen = next((name for name in manifest.experiment.contenders if name in probed), None)
display(
    pd.DataFrame(
        {
            "trial": trial.trial_id,
            "rate, rps": trial.rate_rps,
            "requests": trial.metrics.n_offered if trial.metrics else None,
            "latency at the SLO's percentile, ms": (
                trial.metrics.latency_slo_ms if trial.metrics else None
            ),
            "found": ", ".join(finding.reason for finding in trial.findings),
        }
        for trial in probes
        if trial.contender == chosen
    ).round(3)
)
pd.DataFrame(
    found.model_dump(exclude={"trial_ids"})
    for capacity in summary.capacities
    if capacity.contender == chosen and capacity.slo == manifest.experiment.slo
    for found in capacity.rates
)

# %% [markdown]
# ## Every point

# %%
pd.DataFrame(
    {
        "contender": point.contender,
        "level": point.level,
        "SLO": str(point.slo_verdict or "not judged"),
        "certified": point.certified,
        "reasons": ", ".join(sorted(point.reasons)),
        **(point.metrics.model_dump() if point.metrics else {}),
    }
    for point in summary.points
).round(3)

# %% [markdown]
# ## Bottlenecks
#
# Of each contender, where it answered the most; and how near it comes there to its engine alone,
# where the run measured that.

# %%
display(pd.DataFrame(found.model_dump() for found in summary.bottlenecks))
pd.DataFrame(efficiency.model_dump() for efficiency in summary.engine_efficiencies).round(3)

# %% [markdown]
# ## Figures

# %%
for svg in figures(summary).values():
    display(SVG(svg))

# %% [markdown]
# ## Latency from the scheduled time, and from the time of sending
#
# The difference is what coordinated omission hides: the wait of requests that were due while the
# client was held up. One row a point; a null means that the sample is too small, or the server
# saturated.

# %%
pd.DataFrame(
    {
        "contender": point.contender,
        "level": point.level,
        "successes": point.metrics.n_ok,
        "latency P99 ms": point.metrics.latency_p99_ms,
        "service time P99 ms": point.metrics.service_time_p99_ms,
        "gap ms": point.metrics.omission_gap_p99_ms,
        "send lag P99 ms": point.metrics.send_lag_p99_ms,
    }
    for point in summary.points
    if point.metrics
).round(3)

# %% [markdown]
# ## The whole distribution of one trial
#
# Of the first trial that completed: latency in ms by share of requests, from the rows.

# %%
completed = [trial for trial in run.trials if trial.completed]
if completed:
    latency_ms = pd.Series(take_sample(completed[0]).latency_s * 1000)
    display(
        latency_ms.rename(completed[0].record.trial_id).describe(percentiles=PERCENTILES).round(3)
    )

# %% [markdown]
# ## Where the gain comes from
#
# Each row changes one thing; ratios after over before, with their intervals.

# %%
pd.DataFrame(
    {
        "change": " and ".join(step.changes),
        "from": step.before,
        "to": step.after,
        "capacity": times_within(step.capacity_ratio, step.capacity_low, step.capacity_high),
        "at": rate(step.rate_rps),
        **{str(metric): verdict(step.of(metric)) for metric in Metric},
    }
    for step in summary.ablation
)

# %% [markdown]
# ## What is claimed of GPUs and batching
#
# Claims of the two documents that this run measures.

# %%
pd.DataFrame(
    {
        "claim": claim.text,
        "verdict": claim.verdict,
        "only when": "; ".join(claim.only_when),
        "reading": found.what,
        "measured": reading(found, claim.unit),
        "outcome": found.outcome,
    }
    for claim in summary.claims
    for found in claim.readings
)

# %% [markdown]
# ## Against the reference at equal load, and the noise floor
#
# The second table is one contender against itself: what the method sees where nothing differs.

# %%
pd.DataFrame(
    {
        "contender": compared.contender,
        "level": compared.level,
        **{str(metric): verdict(compared.of(metric)) for metric in Metric},
    }
    for compared in summary.comparison
)

# %%
pd.DataFrame(
    {
        "contender": f"{floor.aa_copy} over {floor.contender}",
        "level": level.level,
        **{
            str(ratio.metric): times_within(ratio.ratio, ratio.low, ratio.high)
            for ratio in level.ratios
        },
    }
    for floor in [summary.noise_floor]
    if floor
    for level in floor.levels
)

# %% [markdown]
# ## Certificates: what was found in the trials

# %%
pd.DataFrame(
    {
        "trial": trial.trial_id,
        "usable": trial.usable,
        "reason": check.reason,
        "effect": check.meaning.effect,
        "found": check.detail,
    }
    for trial in summary.trials
    for check in trial.certificate
    if check.failed
)
