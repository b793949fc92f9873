"""Truth against measurement in a run over simulated services: `python -m analysis.selfcheck RUN`.

Nothing here says how fast a real server is. It says whether the harness finds what is true of
servers whose truth is known: their latency, which of two is quicker, and what is wrong with them.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from analysis.capacity.certified import capacities
from analysis.capacity.load_points import grouped
from analysis.compare.intervals import Interval, Metric
from analysis.compare.verdicts import MIN_ROUNDS, Ratio, Repeats, decide
from analysis.read.run import Run, Trial, load_run
from analysis.selfcheck.capacity import check_capacity
from analysis.selfcheck.findings import CapacityCheck, Comparison, Detection, SelfCheck
from analysis.selfcheck.laws import Law, is_simulated, read_law
from analysis.selfcheck.long_run import check_slices
from analysis.selfcheck.replay import Replayed, latency, p99_ms, replay
from analysis.selfcheck.tables import markdown
from analysis.validity.reasons import OF_THE_MACHINE, Reason
from analysis.validity.trials import JudgedTrial, ceilings, judge_trials
from loadtests.records.experiment import Experiment
from loadtests.records.stored import RecordError

T = TypeVar("T")

OF_CLIENT_OR_MACHINE = OF_THE_MACHINE | frozenset(
    {
        *(Reason.SEND_LAG, Reason.CLIENT_NEAR_CEILING, Reason.CLIENT_UNCALIBRATED),
        *(Reason.ARRIVALS_NOT_REPLAYED, Reason.CLOCKS_THROTTLED, Reason.MACHINE_NOISE),
        *(Reason.NOT_MEASURED, Reason.TOO_FEW_REQUESTS, Reason.CLIENT_LIMIT),
        Reason.SLICES_TOO_SHORT,
    }
)
"""Reasons that say nothing about the service, and so are no false alarms."""


def self_check(run: Run) -> SelfCheck:
    """Everything that can be checked against the truth in a run over simulated services.

    RecordError where the run holds none.
    """
    trials = {
        t.record.trial_id: t
        for t in run.having("measurement", "search")
        if is_simulated(t.record.contender) and t.record.level.mode == "open"
    }
    if not trials:
        raise RecordError(
            f"expected open-loop trials of a simulated service in {run.folder}, found none: "
            "make a run of loadtests/experiments/selfcheck.toml."
        )
    experiment = run.manifest.experiment
    judged = [j for j in judge_trials(run, ceilings(run)) if j.result.trial_id in trials]
    judged.sort(key=lambda j: experiment.contenders.index(j.result.contender))
    replays = [r for j in judged if (r := replay(trials[j.result.trial_id], j))]
    planned = [r for r in replays if r.judged.result.purpose == "measurement"]
    points = grouped(
        (j for j in judged if j.result.purpose == "measurement"),
        lambda j: (j.result.contender, j.result.level),
    )
    common = {each.judged.result.level for each in planned}
    long_runs = grouped(
        (r for r in replays if _has_long_run(r) and r.judged.result.level in common), _point
    )
    repeats = Repeats(judged, experiment)
    return SelfCheck(
        run_id=run.manifest.run_id,
        machine=str(run.manifest.machine),
        latencies=[
            latency(undisturbed(group, lambda r: r.judged))
            for group in grouped(planned, _point).values()
        ],
        slices=[check_slices(group) for group in long_runs.values()],
        comparisons=compare(planned, repeats, experiment.reference, experiment.min_difference),
        detections=[detect(trials[p[0].result.trial_id], p) for p in points.values()],
        capacities=_capacities(judged, replays, experiment),
    )


def _capacities(
    judged: Sequence[JudgedTrial], replays: Sequence[Replayed], experiment: Experiment
) -> list[CapacityCheck]:
    searched = {j.result.contender for j in judged if j.result.purpose == "search"}
    by_contender = grouped(replays, lambda r: r.judged.result.contender)
    return [
        check_capacity(found, by_contender[found.contender])
        for found in capacities(judged, experiment)
        if found.contender in searched & by_contender.keys()
    ]


def compare(
    replays: Sequence[Replayed], repeats: Repeats, reference: str, margin: float
) -> list[Comparison]:
    """The verdict on every service without a planted fault against the reference."""
    sound = [r for r in replays if planted_reason(r.law, _rate(r)) is None]
    by_point = grouped(sound, lambda r: (r.judged.result.level, r.judged.result.contender))
    found = []
    for (level, contender), others in by_point.items():
        ratios = repeats.compare(reference, contender, level, dict.fromkeys(Metric, margin))
        measured = next((ratio for ratio in ratios if ratio.metric is Metric.P99), None)
        base = by_point.get((level, reference), [])
        if contender != reference and base and measured:
            found.append(_comparison(reference, base, others, measured, margin))
    return found


def _comparison(
    reference: str,
    base: Sequence[Replayed],
    others: Sequence[Replayed],
    measured: Ratio,
    margin: float,
) -> Comparison:
    truth_ms = [p99_ms(np.concatenate([r.truth_s for r in side])) for side in paired(base, others)]
    true_ratio = truth_ms[1] / truth_ms[0]
    # An interval without width around the truth: what unlimited evidence would say.
    expected = decide(
        Metric.P99, true_ratio, Interval(true_ratio, true_ratio), MIN_ROUNDS, margin, margin
    )
    return Comparison(
        contender=others[0].judged.result.contender,
        reference=reference,
        true_ratio=true_ratio,
        expected=expected,
        ratio=measured.ratio,
        low=measured.low,
        high=measured.high,
        verdict=measured.verdict,
    )


def paired(
    base: Sequence[Replayed], others: Sequence[Replayed]
) -> tuple[Sequence[Replayed], Sequence[Replayed]]:
    """The slices that a verdict rests on: usable ones of the rounds in which both have one. All,
    where there is no such round."""
    sides = [[r for r in side if r.judged.result.usable] for side in (base, others)]
    common = set.intersection(*({r.judged.result.repeat for r in side} for side in sides))
    if not common:
        return base, others
    before, after = ([r for r in side if r.judged.result.repeat in common] for side in sides)
    return before, after


def detect(trial: Trial, judged: Sequence[JudgedTrial]) -> Detection:
    """Which reasons the trials of one simulated service at one rate raised; trial: one of them."""
    judged = undisturbed(judged, lambda j: j)
    law = read_law(trial.record.contender)
    rate_rps = trial.record.level.rate_rps or 0.0
    planted = planted_reason(law, rate_rps)
    reasons = [{finding.reason for finding in j.result.findings} for j in judged]
    # Behind a fault others follow: a server that fails early looks quick, then slow.
    found = {reason for of_trial in reasons for reason in of_trial}
    false_alarms = found - OF_CLIENT_OR_MACHINE if planted is None else set()
    return Detection(
        contender=trial.record.contender_name,
        law=str(law) if law else "options that are no law: it cannot start",
        rate_rps=rate_rps,
        planted=planted,
        n_trials=len(judged),
        n_found=sum(planted in of_trial for of_trial in reasons),
        false_alarms=sorted(false_alarms),
    )


def undisturbed(slices: Sequence[T], judged: Callable[[T], JudgedTrial]) -> Sequence[T]:
    """Without those that the machine disturbed, which were made again; all, where no other is
    left."""
    return [each for each in slices if not judged(each).result.disturbed] or slices


def planted_reason(law: Law | None, rate_rps: float) -> Reason | None:
    """The reason that must be found at this rate; None: nothing is wrong with the service."""
    if law is None:
        return Reason.NOT_READY
    planted = {
        Reason.PARITY_BROKEN: law.answer != "null",
        Reason.COUNTS_DISAGREE: law.miscount_every > 0,
        Reason.ERRORS: law.errors_to > law.errors_from or law.drop_every > 0,
        Reason.DRIFT: law.leak_ms > 0,
        Reason.SATURATED: rate_rps > law.highest_rate_rps,
    }
    return next((reason for reason, present in planted.items() if present), None)


def _has_long_run(replayed: Replayed) -> bool:
    """Whether a slice can be compared with the long run of its law: nothing is planted, and it is
    independent of others. An exponential law draws the same service times in each."""
    sound = planted_reason(replayed.law, _rate(replayed)) is None
    return sound and replayed.law.distribution == "fixed"


def _point(replayed: Replayed) -> tuple[str, str]:
    return replayed.judged.result.contender, replayed.judged.result.level


def _rate(replayed: Replayed) -> float:
    return replayed.judged.result.rate_rps or 0.0


def main(arguments: Sequence[str]) -> int:
    """Prints the check of a run; 1 where the harness said something false, 2 for bad input."""
    if len(arguments) != 1:
        print("usage: python -m analysis.selfcheck RUN", file=sys.stderr)
        return 2
    try:
        check = self_check(load_run(Path(arguments[0])))
    except RecordError as error:
        print(f"analysis.selfcheck: {error}", file=sys.stderr)
        return 2
    print(markdown(check))
    for failure in check.failures:
        print(f"analysis.selfcheck: wrong: {failure}", file=sys.stderr)
    return 1 if check.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
