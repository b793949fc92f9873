"""One decision for one arrival rate: which contender, how many replicas, at what cost."""

from collections.abc import Sequence
from math import ceil

from pydantic import Field

from analysis.capacity.certified import Capacity
from analysis.capacity.rate_judgement import Judgement
from analysis.decide.asked import Asked
from analysis.decide.choose import (
    Answer,
    Because,
    Candidates,
    Choice,
    CpuVerdict,
    Why,
    choose_at,
)
from analysis.read.value import Value
from loadtests.records.experiment import Experiment

ROUNDING = 1e-9
"""286 / (0.7 x 286 / 0.7) is one replica, whatever the last digit says."""

NEAR = 1.02
"""A tested rate that is at most this much above another stands for it: no search tries rates that
lie nearer to each other."""


class Needs(Value):
    """What one contender needs to serve the rate of a decision."""

    contender: str = Field(description="Name of the contender.")
    planned_rps: float | None = Field(
        description="Arrival rate to plan a replica for: headroom x certified; null: none is."
    )
    replicas: int | None = Field(
        description="Replicas that serve the rate, each at planned_rps at most; null: unknown."
    )
    replicas_least: int | None = Field(
        description="As many would do if its capacity were the lowest rate it was found not to "
        "meet; null: no such rate was found."
    )
    cost_per_hour: float | None = Field(description="Replicas x price; null: unknown or no price.")
    cost_per_million: float | None = Field(
        description="Of a million requests at this rate; null: as cost_per_hour."
    )
    complexity: float = Field(description="Operational complexity, by the weights given.")
    blocks_health: bool = Field(description="Whether it blocks its own health endpoint.")


class ToMeasure(Value):
    """What would settle a decision."""

    contender: str = Field(description="Name of the contender.")
    rate_rps: float = Field(description="Arrival rate at which to measure it.")


class Decision(Value):
    """The decision for one arrival rate."""

    rate_rps: float = Field(description="Arrival rate to serve, over all replicas.")
    asked: bool = Field(
        description="False: nobody asked for a rate; it is the highest of the experiment's common "
        "rates, else the highest at which a contender is certified."
    )
    headroom: float = Field(description="Share of the certified capacity to plan a replica with.")
    replicas: int | None = Field(
        description="Replicas of the choice; null: no contender is chosen."
    )
    choice: Choice = Field(
        description="The answer at the rate that each replica must be certified at: "
        "rate_rps / replicas / headroom."
    )
    neighbours: list[Choice] = Field(
        description="The answers at the tested rates next to that rate; empty: it was tested, or "
        "a rate at most 2 % above it."
    )
    measure: list[ToMeasure] = Field(description="What would settle it, or spare a replica.")
    needs: list[Needs] = Field(description="Every contender that is not out, in order.")


def rate_to_decide(experiment: Experiment, capacities: Sequence[Capacity]) -> float | None:
    """The rate where none was asked for: the highest common rate of the experiment, at which all
    contenders were to be measured; else the highest certified one; None: neither."""
    certified = [c.certified_rps for c in capacities if c.certified_rps]
    return max(experiment.load.rates_rps, default=None) or max(certified, default=None)


def decide_at(
    candidates: Candidates,
    rate_rps: float,
    cpu_verdict: CpuVerdict,
    tested_rps: Sequence[float],
    asked: Asked,
) -> Decision:
    """The certified contender that needs the fewest replicas; among equals the simplest, then the
    one with the least server CPU."""
    standing = [c for c in candidates.capacities if c.contender not in candidates.out]
    needs = [_needs(capacity, candidates, rate_rps, asked) for capacity in standing]
    n = min((each.replicas for each in needs if each.replicas), default=1)
    total_rps = rate_rps / asked.headroom
    choice, neighbours = _interpolated(candidates, total_rps / n, cpu_verdict, tested_rps)
    return Decision(
        rate_rps=rate_rps,
        asked=asked.at_rate_rps is not None,
        headroom=asked.headroom,
        replicas=n if choice.answer is Answer.CHOOSE else None,
        choice=choice,
        neighbours=neighbours,
        measure=_to_measure(standing, choice, total_rps, n),
        needs=needs,
    )


def _needs(capacity: Capacity, candidates: Candidates, rate_rps: float, asked: Asked) -> Needs:
    name, certified_rps = capacity.contender, capacity.certified_rps
    replicas = _replicas(rate_rps, certified_rps, asked.headroom)
    per_hour = None
    if replicas and asked.price:
        per_hour = replicas * asked.price.server_per_hour
    return Needs(
        contender=name,
        planned_rps=certified_rps and asked.headroom * certified_rps,
        replicas=replicas,
        replicas_least=_replicas(rate_rps, capacity.not_met_rps, asked.headroom),
        cost_per_hour=per_hour,
        cost_per_million=None if per_hour is None else per_hour * 1e6 / (3600 * rate_rps),
        complexity=candidates.complexity.get(name, 0.0),
        blocks_health=name in candidates.blocking,
    )


def _replicas(rate_rps: float, capacity_rps: float | None, headroom: float) -> int | None:
    if not capacity_rps:
        return None
    return max(1, ceil(rate_rps / (headroom * capacity_rps) - ROUNDING))


def _interpolated(
    candidates: Candidates, rate_rps: float, cpu_verdict: CpuVerdict, tested_rps: Sequence[float]
) -> tuple[Choice, list[Choice]]:
    """The answer at a rate and those at the tested rates beside it; a choice at a rate that was not
    tested stands only where they agree with it."""
    just_above = (r for r in tested_rps if rate_rps * (1 - ROUNDING) <= r <= rate_rps * NEAR)
    near = min(just_above, default=None)
    if near is not None:
        return choose_at(candidates, near, cpu_verdict), []
    own = choose_at(candidates, rate_rps, cpu_verdict)
    below = max((r for r in tested_rps if r < rate_rps), default=None)
    above = min((r for r in tested_rps if r > rate_rps), default=None)
    beside = [choose_at(candidates, r, cpu_verdict) for r in (below, above) if r is not None]
    rivals = {found.contender for found in beside if found.contender} - {own.contender}
    if own.answer is not Answer.CHOOSE or not rivals:
        return own, beside
    might = [own.contender or "", *sorted(rivals)]
    undecided = Choice(
        from_rps=rate_rps,
        to_rps=rate_rps,
        rates_rps=[rate_rps],
        answer=Answer.NOT_ENOUGH_EVIDENCE,
        contender=None,
        because=[Because(why=Why.NEIGHBOURS_DIFFER, might=might)],
    )
    return undecided, beside


def _to_measure(
    capacities: Sequence[Capacity], choice: Choice, total_rps: float, n: int
) -> list[ToMeasure]:
    """The contenders that stand in the way of the answer, and those that might need a replica
    less."""
    found = [
        ToMeasure(contender=name, rate_rps=total_rps / n)
        for because in choice.because
        for name in because.might
    ]
    if n == 1:
        return found
    fewer_rps = total_rps / (n - 1)
    open_still = (Judgement.MET, Judgement.UNDECIDED)
    return found + [
        ToMeasure(contender=capacity.contender, rate_rps=fewer_rps)
        for capacity in capacities
        if capacity.certified_rps and capacity.judged(fewer_rps) in open_still
    ]
