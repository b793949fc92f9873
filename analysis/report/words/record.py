"""The decision record: one decision for a stated rate, what speaks for and against each option, how
it is confirmed and when to look again."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from analysis.compare.intervals import Metric
from analysis.compare.ratios import Comparison
from analysis.compare.verdicts import Verdict
from analysis.decide.at_rate import Decision, Needs
from analysis.decide.complexity import items
from analysis.overload.beyond import Outcome
from analysis.read.contenders import ContenderFacts
from analysis.report.summary import Summary
from analysis.report.words.answer import replicas, to_measure
from analysis.report.words.codes import listed, said
from analysis.report.words.decision import because
from analysis.report.words.numbers import (
    exact_percent,
    interval,
    number,
    plain,
    rate,
    times_within,
)
from analysis.report.words.overload import answers

LOOK_AGAIN_DAYS = 182
"""Half a year: within it the engines, servers and libraries compared have new releases."""

COMPARED = (Metric.P50, Metric.P99, Metric.CPU)


def title(summary: Summary) -> str:
    decision = summary.recommendation.decision
    if decision is None:
        return "Nothing is decided: no arrival rate was tested"
    target = rate(decision.rate_rps)
    if decision.replicas:
        chosen = f"{replicas(decision.replicas)} of {decision.choice.contender}"
        return f"Serve the classifier with {chosen} for {target}"
    if decision.measure:
        return f"Not decided yet for {target}: measure {to_measure(decision)}"
    return f"Serve {target} with none of the contenders as they are"


def stated(decision: Decision) -> str:
    """Where the rate comes from, and what each replica is planned with."""
    source = (
        "as asked"
        if decision.asked
        else "the highest arrival rate at which every contender was to be measured, since none was "
        "asked for (study report RUN --at-rate RATE)"
    )
    headroom = (
        f"each replica may be planned up to {exact_percent(decision.headroom)} of its certified "
        "capacity"
        if decision.headroom < 1
        else "each replica may be planned up to its certified capacity, without headroom "
        "(--headroom 0.7 keeps 30 % free)"
    )
    return f"{rate(decision.rate_rps)}, {source}; {headroom}"


def why(summary: Summary, decision: Decision) -> str:
    """Why the decision is what it is."""
    reason = because(decision.choice, summary.recommendation.out)
    n, at = decision.replicas, f"At {number(decision.choice.from_rps)} rps"
    if not n:
        return f"{at}: {reason}."
    fewest = f"No contender is certified to do with fewer than {replicas(n)}. " if n > 1 else ""
    included = ", headroom included" if decision.headroom < 1 else ""
    return f"{fewest}{at} a replica{included}, {decision.choice.contender} is {reason}."


def effort(contender: ContenderFacts, summary: Summary) -> str:
    """What an operator of a contender keeps healthy: 3: HTTP process, model folder (x 2)."""
    weights = summary.recommendation.weights
    named = [
        f"{item} (× {plain(weights[item])})" if item in weights else item
        for item in items(contender)
    ]
    unnamed = [] if contender.components else ["not named in the record"]
    needs = needs_of(summary, contender.name)
    total = [plain(needs.complexity)] if needs else []
    return ": ".join([*total, ", ".join([*unnamed, *named])])


def needs_of(summary: Summary, contender: str) -> Needs | None:
    decision = summary.recommendation.decision
    found = decision.needs if decision else []
    return next((needs for needs in found if needs.contender == contender), None)


def replica_range(needs: Needs) -> str:
    """As many as the certified capacity needs, and how few its interval leaves open."""
    if needs.replicas is None:
        return "unknown"
    if needs.replicas_least in (None, needs.replicas):
        return f"{needs.replicas}"
    return f"{needs.replicas} (at least {needs.replicas_least})"


def bracketed(needs: Sequence[Needs]) -> bool:
    """Whether a range of replicas has a number in brackets."""
    return any("(" in replica_range(each) for each in needs)


def good_and_bad(contender: ContenderFacts, summary: Summary) -> list[str]:
    """What speaks for and against an option, as MADR writes it: Good, because ..."""
    told = [
        *_by_comparison(contender, summary),
        *_by_capacity(contender, summary),
        *_by_effort(contender, summary),
        *_by_overload(contender, summary),
    ]
    tones = ("Good", "Neutral", "Bad")
    return [f"{tone}, because {text}." for tone in tones for each, text in told if each == tone]


def _by_comparison(contender: ContenderFacts, summary: Summary) -> Iterator[tuple[str, str]]:
    compared = _nearest(summary, contender.name)
    if compared is None:
        return
    at, unclear = rate(compared.rate_rps), []
    for ratio in compared.ratios:
        if ratio.metric not in COMPARED:
            continue
        if ratio.verdict is Verdict.NOT_ENOUGH_EVIDENCE:
            unclear.append(said(ratio.metric))
            continue
        tone, against = _TONES[ratio.verdict]
        found = times_within(ratio.ratio, ratio.low, ratio.high)
        yield tone, f"{said(ratio.metric)} at {at} is {against} {compared.reference}'s: {found}"
    if unclear:
        yield (
            "Neutral",
            f"there is not enough evidence to tell it from {compared.reference} in "
            f"{listed(unclear)} at {at}",
        )


_TONES = {
    Verdict.BETTER: ("Good", "better than"),
    Verdict.WORSE: ("Bad", "worse than"),
    Verdict.NO_MATERIAL_DIFFERENCE: ("Neutral", "as good as"),
}


def _by_overload(contender: ContenderFacts, summary: Summary) -> Iterator[tuple[str, str]]:
    for found in summary.beyond_capacity:
        if found.contender == contender.name and found.outcome in _BEYOND:
            yield _BEYOND[found.outcome], answers(found)


_BEYOND = {
    Outcome.KEEPS_GOODPUT: "Good",
    Outcome.ANSWERS_LATE: "Bad",
    Outcome.ANSWERS_FEWER: "Bad",
}


def _by_capacity(contender: ContenderFacts, summary: Summary) -> list[tuple[str, str]]:
    decision, needs = summary.recommendation.decision, needs_of(summary, contender.name)
    if decision is None or needs is None:
        return [("Bad", "it answered wrongly or never started")]
    if needs.replicas is None:
        return [("Bad", "it is certified at no rate")]
    fewest = min(each.replicas for each in decision.needs if each.replicas)
    tone = "Good" if needs.replicas == fewest else "Bad"
    cost = ""
    if needs.cost_per_hour is not None and summary.price:
        cost = f", {number(needs.cost_per_hour)} {summary.price.currency} an hour"
    return [(tone, f"{rate(decision.rate_rps)} need {replicas(needs.replicas)}{cost}")]


def _by_effort(contender: ContenderFacts, summary: Summary) -> list[tuple[str, str]]:
    decision = summary.recommendation.decision
    needs = needs_of(summary, contender.name)
    if decision is None or needs is None:
        return []
    least = min(each.complexity for each in decision.needs)
    tone = "Good" if needs.complexity == least else "Bad"
    found = [(tone, f"its operational complexity is {effort(contender, summary)}")]
    if contender.blocks_health:
        found.append(("Bad", "its health endpoint does not answer while it computes"))
    return found


def confirmation(summary: Summary) -> list[str]:
    """What a second run must find: ratios within the intervals of this one, and no absolute rate,
    which another machine or another day changes."""
    decision = summary.recommendation.decision
    experiment = summary.manifest.experiment
    chosen = decision.choice.contender if decision else None
    names = [chosen] if chosen and chosen != experiment.reference else experiment.contenders
    found = [
        f"capacity of {c.contender} over {experiment.reference}: {interval(c.low, c.high)}"
        for c in summary.capacity_ratios
        if c.contender in names and c.slo == experiment.slo and c.low is not None
    ]
    for name in names:
        compared = _nearest(summary, name)
        found += [
            f"{said(ratio.metric)} of {name} over {experiment.reference} at "
            f"{rate(compared.rate_rps)}: {interval(ratio.low, ratio.high)}"
            for ratio in (compared.ratios if compared else [])
            if compared and ratio.metric in (Metric.P50, Metric.CPU) and ratio.low is not None
        ]
    return found


def look_again(summary: Summary) -> str:
    """The date at which the decision is due for review."""
    try:
        made = datetime.fromisoformat(summary.manifest.created_at)
    except ValueError:  # a damaged manifest still has numbers
        return "a day that follows from no date of this run"
    return f"{made + timedelta(days=LOOK_AGAIN_DAYS):%Y-%m-%d}"


def _nearest(summary: Summary, contender: str) -> Comparison | None:
    """Its comparison with the reference at the highest common rate at which both state a P50."""
    found = [
        compared
        for compared in summary.comparison
        if compared.contender == contender
        and (median := compared.of(Metric.P50))
        and median.ratio is not None
    ]
    return max(found, key=lambda compared: compared.rate_rps, default=None)
