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

from analysis.claims.catalogue import BY_ID
from analysis.compare.intervals import Metric
from analysis.read.run import load_run
from analysis.report.figures.catalogue import figures
from analysis.report.summary import summarise
from analysis.report.tables import over_reference
from analysis.report.words import answer, bottlenecks, certificates, claims, decision, record
from analysis.report.words.codes import said
from analysis.report.words.numbers import interval, level, rate, times_within, verdict
from analysis.report.words.run import warnings
from analysis.steady.sample import take_sample
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
lines += [f"**{inline(warning)}**" for warning in warnings(summary)]
display(Markdown("\n\n".join(lines)))

# %% [markdown]
# ## The answer

# %%
display(Markdown("\n".join(f"* {inline(text)}" for text in answer.sentences(summary))))
recommendation = summary.recommendation
display(
    pd.DataFrame(
        {
            "arrival rate": decision.rates(choice),
            "choose": decision.chosen(choice),
            "because": decision.because(choice, recommendation.out),
        }
        for choice in recommendation.choices
    )
)
display(Markdown("The answer holds for:\n"))
display(Markdown("\n".join(f"* {inline(text)}" for text in decision.conditions(summary))))
display(Markdown("What would change this decision:\n"))
display(Markdown("\n".join(f"* {inline(text)}" for text in decision.reversals(summary))))

# %% [markdown]
# ## What each contender is

# %%
pd.DataFrame(
    {
        "contender": contender.name,
        "what it is": contender.summary,
        "form": contender.form,
        "operational complexity": record.effort(contender, summary),
    }
    for contender in summary.contenders
)

# %% [markdown]
# ## What each contender sustains
#
# Certified: so few requests exceeded the bound that, with 95 % confidence, the SLO is met there.

# %%
pd.DataFrame(
    {
        "SLO": decision.objective(capacity.slo),
        "contender": capacity.contender,
        "certified at": rate(capacity.certified_rps),
        "capacity, rps": decision.capacity_estimate(capacity),
        "over the reference": verdict(over_reference(summary, capacity)),
        "confidence": decision.capacity_status(capacity),
    }
    for capacity in summary.capacities
)

# %% [markdown]
# ## Machines for one arrival rate
#
# The experiment's highest common rate; `study report RUN --at-rate RATE` decides for another one.

# %%
if recommendation.decision:
    display(Markdown(inline(answer.decided(recommendation.decision))))
pd.DataFrame(
    needs.model_dump()
    for needs in (recommendation.decision.needs if recommendation.decision else ())
).round(3)

# %% [markdown]
# ## What a million requests take
#
# Machine hours on one replica under constant load at its certified capacity, and their cost where
# the experiment has a price.

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
            "found": ", ".join(said(finding.reason) for finding in trial.findings),
        }
        for trial in probes
        if trial.contender == chosen
    ).round(3)
)
pd.DataFrame(
    found.model_dump(exclude={"trial_ids"}) | {"judgement": said(found.judgement)}
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
        "level": level(point.level),
        "SLO": said(point.slo_verdict or "not judged"),
        "certified": point.certified,
        "reasons": ", ".join(map(said, sorted(point.reasons))),
        **(point.metrics.model_dump() if point.metrics else {}),
    }
    for point in summary.points
).round(3)

# %% [markdown]
# ## Bottlenecks
#
# Of each contender, where it answered the most; and its engine efficiency there, where the run
# measured the engine alone.

# %%
display(
    pd.DataFrame(
        {
            "contender": found.contender,
            "level": level(found.level),
            "bottleneck": said(found.bottleneck),
            "measured there": bottlenecks.because(found),
        }
        for found in summary.bottlenecks
    )
)
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
# client was blocked. One row per point; a null means that the sample is too small or the server
# saturated.

# %%
pd.DataFrame(
    {
        "contender": point.contender,
        "level": level(point.level),
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
# ## Claims about GPUs and batching
#
# Claims of the two documents that this run measures.

# %%
pd.DataFrame(
    {
        "claim": BY_ID[claim.id].text,
        "verdict": claims.verdict(claim),
        "reading": claims.measured(found),
        "measured": claims.reading(found, claim.unit),
        "outcome": said(found.outcome),
    }
    for claim in summary.claims
    for found in claim.readings
)

# %% [markdown]
# ## Against the reference at equal load, and the noise floor
#
# The second table is the A/A test: what the method finds where nothing differs.

# %%
pd.DataFrame(
    {
        "contender": compared.contender,
        "level": level(compared.level),
        **{said(metric): verdict(compared.of(metric)) for metric in Metric},
    }
    for compared in summary.comparison
)

# %%
pd.DataFrame(
    {
        "contender": f"{floor.aa_copy} over {floor.contender}",
        "level": level(at.level),
        **{
            said(ratio.metric): times_within(ratio.ratio, ratio.low, ratio.high)
            for ratio in at.ratios
        },
    }
    for floor in [summary.noise_floor]
    if floor
    for at in floor.levels
)

# %% [markdown]
# ## Certificates: what was found in the trials

# %%
pd.DataFrame(
    {
        "trial": trial.trial_id,
        "usable": trial.usable,
        "reason": said(check.reason),
        "effect": said(check.reason.effect),
        "found": certificates.found(check),
    }
    for trial in summary.trials
    for check in trial.certificate
    if check.failed
)
