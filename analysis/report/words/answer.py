"""The answer in a few sentences: what to use at which rate, where the gain comes from, what happens
beyond capacity, and how sure that is."""

from collections.abc import Sequence
from itertools import groupby

from analysis.compare.intervals import Metric
from analysis.compare.ratios import Step
from analysis.compare.verdicts import Verdict
from analysis.decide.at_rate import Decision
from analysis.decide.choose import Answer, Choice
from analysis.report.summary import Summary
from analysis.report.words import overload
from analysis.report.words.codes import listed, said
from analysis.report.words.decision import rates
from analysis.report.words.numbers import exact_percent, interval, number, percent, rate

NONE_ASKED_FOR_MORE = "No contender was asked for more than it can answer."


def sentences(summary: Summary) -> list[str]:
    beyond = overload.at_the_top(summary) or NONE_ASKED_FOR_MORE
    return [what_to_use(summary), where_from(summary.ablation), beyond, how_sure(summary)]


def what_to_use(summary: Summary) -> str:
    """Which contender at which tested rate, on one replica."""
    choices = summary.recommendation.choices
    if not choices:
        return "No arrival rate was tested, so nothing is recommended."
    by_answer = {
        answer: [choice for choice in choices if choice.answer is answer] for answer in Answer
    }
    parts = []
    if by_answer[Answer.CHOOSE]:
        runs = groupby(by_answer[Answer.CHOOSE], key=lambda choice: choice.contender)
        used = listed([_use(list(run)) for _, run in runs])
        parts.append(f"Use {used}, the simplest that is certified to meet the SLO there")
    if by_answer[Answer.NOT_ENOUGH_EVIDENCE]:
        open_still = listed([rates(choice) for choice in by_answer[Answer.NOT_ENOUGH_EVIDENCE]])
        parts.append(f"there is not enough evidence at {open_still}")
    if by_answer[Answer.NONE_MEETS_SLO]:
        missed = listed([rates(choice) for choice in by_answer[Answer.NONE_MEETS_SLO]])
        parts.append(f"no single replica meets the SLO at {missed}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _use(same: Sequence[Choice]) -> str:
    """The choices of one contender, rates ascending."""
    merged = same[0].model_copy(update={"to_rps": same[-1].to_rps})
    health = " (which blocks its own health endpoint)" if merged.blocks_health else ""
    return f"{merged.contender}{health} at {rates(merged)}"


def decided(decision: Decision) -> str:
    """The decision for one rate, or what to measure for it."""
    target = rate(decision.rate_rps)
    if decision.headroom < 1:
        target += f", each replica planned at {exact_percent(decision.headroom)} of its capacity"
    if decision.replicas:
        return f"For {target}: {replicas(decision.replicas)} of {decision.choice.contender}."
    if decision.measure:
        return f"For {target}: {said(decision.choice.answer)}; measure {to_measure(decision)}."
    return f"For {target}: {said(decision.choice.answer)}."


def replicas(n: int) -> str:
    return f"{n} replica{'' if n == 1 else 's'}"


def to_measure(decision: Decision) -> str:
    """Who is to be measured at which rate."""
    by_rate: dict[float, list[str]] = {}
    for each in decision.measure:
        names = by_rate.setdefault(each.rate_rps, [])
        if each.contender not in names:
            names.append(each.contender)
    return listed([f"{listed(names)} at {number(rps)} rps" for rps, names in by_rate.items()])


def chain(steps: Sequence[Step]) -> list[Step]:
    """The steps that follow each other, without the pairs beside them."""
    found: list[Step] = []
    for step in steps:
        if not found or step.before == found[-1].after:
            found.append(step)
    return found


def where_from(steps: Sequence[Step]) -> str:
    """The changes that raise capacity, most first, and those that lower it."""
    if not steps:
        return "Fewer than two contenders of the ablation have valid points: no gain is attributed."
    steps = chain(steps)
    by_gain = sorted(steps, key=lambda s: -(s.capacity.ratio or s.capacity.low or 0.0))
    raised = [step for step in by_gain if step.capacity.verdict is Verdict.BETTER]
    lowered = [step for step in by_gain if step.capacity.verdict is Verdict.WORSE]
    if not raised:
        text = "No single change is shown to raise capacity"
    else:
        first = raised[0]
        text = (
            f"Most of the gain in capacity comes from the {_change(first)}: {first.after} sustains "
            f"{_times(first)} as much as {first.before}"
        )
        if raised[1:]:
            others = [f"the {_change(step)} ({_times(step)})" for step in raised[1:]]
            text += f"; then from {listed(others)}, so begin with the {_change(first)}"
        else:
            text += "; no other step of the chain is shown to raise it"
            text += f", so begin with the {_change(first)}"
    if lowered:
        losses = listed([f"the {_change(step)} ({step.after})" for step in lowered])
        text += f". T{losses[1:]} lower{'s' if len(lowered) == 1 else ''} it"
    return f"{text}."


def how_sure(summary: Summary) -> str:
    """What a certified rate and a difference rest on, and where both hold."""
    n_usable = sum(trial.usable for trial in summary.trials)
    experiment, floor = summary.manifest.experiment, summary.noise_floor
    told = [
        f"How sure that is: at a certified rate P{experiment.slo.percentile:g} is within the SLO "
        "with 95\N{NO-BREAK SPACE}% confidence, for this machine, model and traffic only.",
        f"Differences below {exact_percent(experiment.min_difference)} are never claimed.",
        f"{n_usable} of {len(summary.trials)} trials were usable.",
    ]
    found = floor.largest().get(Metric.P50) if floor else None
    if floor and found is not None:
        told.append(
            f"{floor.contender} and its copy (A/A test) differed by at most {percent(found)} in "
            "P50 latency."
        )
    return " ".join(told)


def _change(step: Step) -> str:
    return " and ".join(map(said, step.changes))


def _times(step: Step) -> str:
    found = step.capacity
    if found.ratio is None:
        return f"{interval(found.low, found.high)} times"
    return f"{number(found.ratio)} times ({interval(found.low, found.high)})"
