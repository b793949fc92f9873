"""What is claimed about GPUs and batching, judged by what a run measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pydantic import Field

from analysis.read.value import Value

Unit = Literal["×", "share", "rps", "requests"]


@dataclass(frozen=True)
class Claim:
    """One sentence of the two documents that a run can test.

    It claims a figure from at_least to at_most, in unit. measure names the function of
    analysis.claims.measures that reads it from a run; None: no run does.
    """

    id: str
    text: str
    where: str
    conditions: str
    how: str
    unit: Unit = "×"
    at_least: float | None = None
    at_most: float | None = None
    measure: str | None = None


@dataclass(frozen=True)
class ClaimMeasurement:
    """One measurement of what is claimed, with its interval; an end that is None is open."""

    what: str
    value: float | None
    low: float | None
    high: float | None


class ClaimOutcome(StrEnum):
    HOLDS = "holds"
    FAILS = "does not hold"
    UNDECIDED = "not enough evidence"


class ClaimVerdict(StrEnum):
    HOLDS = "holds"
    FAILS = "does not hold"
    ONLY_WHEN = "holds only when"
    UNDECIDED = "not enough evidence"
    NOT_MEASURED = "not measured on this machine"


class Reading(Value):
    """One measurement of what is claimed."""

    what: str = Field(description="What was compared, and when.")
    value: float | None = Field(
        description="ClaimMeasurement value; null: only its interval is known."
    )
    low: float | None = Field(description="Lower end of its interval; null: open.")
    high: float | None = Field(description="Upper end; null: open.")
    outcome: ClaimOutcome = Field(
        description="Whether the claim holds for the whole interval, or none."
    )


class ClaimFound(Value):
    """A claim beside what this run measured."""

    id: str = Field(description="Short name of the claim.")
    text: str = Field(description="What is claimed.")
    where: str = Field(description="Which of the two documents claims it, and where.")
    conditions: str = Field(description="What must be so for the claim to be tested fairly.")
    unit: str = Field(description="Unit of the readings: × (a ratio), share, rps or requests.")
    at_least: float | None = Field(description="Least value claimed; null: none.")
    at_most: float | None = Field(description="Largest value claimed; null: none.")
    readings: list[Reading] = Field(description="What this run measured; empty: nothing.")
    verdict: ClaimVerdict = Field(
        description="holds, does not hold, holds only when, not enough evidence, or not measured "
        "on this machine."
    )
    only_when: list[str] = Field(description="The readings for which it holds, where not for all.")
    how: str = Field(description="What measures it.")


def judge(claim: Claim, measured: Sequence[ClaimMeasurement]) -> ClaimFound:
    """The claim with its verdict. A reading decides where its whole interval is on one side."""
    readings = [
        Reading(what=m.what, value=m.value, low=m.low, high=m.high, outcome=outcome(claim, m))
        for m in measured
    ]
    verdict = _verdict([reading.outcome for reading in readings])
    held = [reading.what for reading in readings if reading.outcome is ClaimOutcome.HOLDS]
    return ClaimFound(
        id=claim.id,
        text=claim.text,
        where=claim.where,
        conditions=claim.conditions,
        unit=claim.unit,
        at_least=claim.at_least,
        at_most=claim.at_most,
        readings=readings,
        verdict=verdict,
        only_when=held if verdict is ClaimVerdict.ONLY_WHEN else [],
        how=claim.how,
    )


def outcome(claim: Claim, measured: ClaimMeasurement) -> ClaimOutcome:
    """Whether what was measured lies within what is claimed, as far as its interval can tell."""
    least, most = claim.at_least, claim.at_most
    low, high = measured.low, measured.high
    too_low = least is not None and high is not None and high < least
    too_high = most is not None and low is not None and low > most
    if too_low or too_high:
        return ClaimOutcome.FAILS
    enough = least is None or (low is not None and low >= least)
    not_more = most is None or (high is not None and high <= most)
    return ClaimOutcome.HOLDS if enough and not_more else ClaimOutcome.UNDECIDED


def _verdict(outcomes: Sequence[ClaimOutcome]) -> ClaimVerdict:
    if not outcomes:
        return ClaimVerdict.NOT_MEASURED
    decided = set(outcomes) - {ClaimOutcome.UNDECIDED}
    if decided == {ClaimOutcome.HOLDS, ClaimOutcome.FAILS}:
        return ClaimVerdict.ONLY_WHEN
    if len(set(outcomes)) == 1:
        return ClaimVerdict(outcomes[0].value)
    return ClaimVerdict.UNDECIDED
