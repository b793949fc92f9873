"""What is claimed about GPUs and batching, judged by what a run measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pydantic import Field

from analysis.read.value import Value

Unit = Literal["ratio", "share", "rps", "requests"]


class Condition(StrEnum):
    """What must hold of where a claim is measured, for it to be about that at all."""

    GPU = "gpu"
    ROOM = "room_at_batch_1"


@dataclass(frozen=True)
class Claim:
    """One sentence of the two documents that a run can test.

    It claims a figure from at_least to at_most, in unit, where all that it needs holds. measure
    names the function of analysis.claims.measures that reads it from a run; None: no run does.
    """

    id: str
    text: str
    where: str
    conditions: str
    how: str
    unit: Unit = "ratio"
    at_least: float | None = None
    at_most: float | None = None
    measure: str | None = None
    needs: tuple[Condition, ...] = ()


class Quantity(StrEnum):
    """What a claim is measured by."""

    CAPACITY = "capacity"
    CAPACITY_RATIO = "capacity_ratio"
    CAPACITY_PER_INSTANCE = "capacity_per_instance"
    P50_RATIO = "p50_ratio"
    P50_OUTSIDE_MODEL = "p50_outside_model"
    MEAN_BATCH = "mean_batch"
    GPU_BUSY = "gpu_busy"
    SM_ACTIVE = "sm_active"
    ENGINE_RATE_RATIO = "engine_rate_ratio"
    RATE_LOST = "rate_lost"


class ClaimMeasurement(Value):
    """One measurement of what is claimed."""

    quantity: Quantity = Field(description="What was measured.")
    of: str = Field(description="The contender, engine or model that it was measured of.")
    over: str | None = Field(
        default=None, description="The one it was compared with; null: a figure of its own."
    )
    level: str | None = Field(default=None, description="Load level; null: of no single one.")
    beside: list[str] = Field(
        default=[], description="The models under load at once (rate_lost only)."
    )
    n_instances: int | None = Field(
        default=None, description="Model instances for one (capacity_per_instance only)."
    )
    batch: int | None = Field(default=None, description="Texts a batch, for engines alone.")
    length_tokens: int | None = Field(default=None, description="Tokens a text, for engines alone.")
    value: float | None = Field(description="The figure; null: only its interval is known.")
    low: float | None = Field(description="Lower end of its interval; null: open.")
    high: float | None = Field(description="Upper end; null: open.")


class ClaimOutcome(StrEnum):
    HOLDS = "holds"
    FAILS = "does_not_hold"
    UNDECIDED = "not_enough_evidence"


class ClaimVerdict(StrEnum):
    HOLDS = "holds"
    FAILS = "does_not_hold"
    ONLY_WHEN = "holds_only_when"
    UNDECIDED = "not_enough_evidence"
    NOT_MEASURED = "not_measured"
    NOT_TESTABLE = "not_testable_here"


class Reading(ClaimMeasurement):
    """A measurement, and what it says of the claim."""

    outcome: ClaimOutcome = Field(
        description="Whether the claim holds for the whole interval, or for none of it."
    )


class ClaimFound(Value):
    """A claim beside what this run measured."""

    id: str = Field(description="Name of the claim in analysis/claims/catalogue.py.")
    unit: Unit = Field(description="Unit of the readings: ratio, share, rps or requests.")
    at_least: float | None = Field(description="Least value claimed; null: none.")
    at_most: float | None = Field(description="Largest value claimed; null: none.")
    readings: list[Reading] = Field(description="What this run measured; empty: nothing.")
    verdict: ClaimVerdict = Field(
        description="What the readings say of it; holds_only_when: for those that hold; "
        "not_testable_here: no contender of this run is one that the claim is about."
    )
    unmet: list[Condition] = Field(
        default=[], description="What the claim needs and no contender of this run has."
    )

    @property
    def held(self) -> list[Reading]:
        """The readings for which it holds."""
        return [reading for reading in self.readings if reading.outcome is ClaimOutcome.HOLDS]


def judge(
    claim: Claim, measured: Sequence[ClaimMeasurement], unmet: Sequence[Condition] = ()
) -> ClaimFound:
    """The claim with its verdict. A reading decides where its whole interval is on one side."""
    readings = [Reading(**m.model_dump(), outcome=outcome(claim, m)) for m in measured]
    return ClaimFound(
        id=claim.id,
        unit=claim.unit,
        at_least=claim.at_least,
        at_most=claim.at_most,
        readings=readings,
        verdict=(
            ClaimVerdict.NOT_TESTABLE
            if unmet
            else verdict_of([reading.outcome for reading in readings])
        ),
        unmet=list(unmet),
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


def verdict_of(outcomes: Sequence[ClaimOutcome]) -> ClaimVerdict:
    """What all readings together say."""
    if not outcomes:
        return ClaimVerdict.NOT_MEASURED
    decided = set(outcomes) - {ClaimOutcome.UNDECIDED}
    if decided == {ClaimOutcome.HOLDS, ClaimOutcome.FAILS}:
        return ClaimVerdict.ONLY_WHEN
    if len(set(outcomes)) == 1:
        return ClaimVerdict(outcomes[0].value)
    return ClaimVerdict.UNDECIDED
