"""Load beyond capacity: what an experiment asks for, and what one trial was given."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, field_validator

from loadtests.records.arrivals import Step, Steps
from loadtests.records.stored import LengthS, Positive
from loadtests.records.strict import Count, Number, Strict

RECOVER_SHARE = 0.5
"""Share of capacity that is offered before and after: what waits is then worked off at about half
of capacity, so that a recovery that comes is seen within seconds."""

_LengthS = Annotated[Number, Field(ge=0.5, le=3600)]


class OverloadSpec(Strict):
    """What every contender with a known capacity is sent after the rounds, in one trial a factor:
    factor times its own capacity for overload_s, then half of its capacity for recover_s."""

    factors: tuple[Annotated[Number, Field(gt=0, le=10)], ...] = Field(
        default=(1.0, 1.5, 2.0), min_length=1, description="Multiples of capacity that are offered."
    )
    overload_s: _LengthS = Field(default=3.0, description="Length of the overload.")
    recover_s: _LengthS = Field(
        default=4.0, description="How long half of capacity is offered afterwards."
    )
    repeats: Annotated[Count, Field(ge=1, le=100)] = Field(
        default=1, description="How often each factor is offered."
    )

    @field_validator("factors")
    @classmethod
    def _ascend(cls, factors: tuple[float, ...]) -> tuple[float, ...]:
        if list(factors) != sorted(set(factors)):
            raise ValueError(
                f"expected factors in ascending order, found {', '.join(f'{f:g}' for f in factors)}"
            )
        return factors


@dataclass(frozen=True)
class Overload:
    """Of an overload trial. Its steady state is the overload: factor times capacity_rps are offered
    there, RECOVER_SHARE of it before, and for recover_s after."""

    capacity_rps: Positive
    factor: Positive
    recover_s: LengthS

    def arrivals(self, warmup_s: float, overload_s: float) -> tuple[Steps, float]:
        """The arrivals of the whole trial, and their mean rate."""
        lengths_s = (warmup_s, overload_s, self.recover_s)
        rates = (RECOVER_SHARE, self.factor, RECOVER_SHARE)
        steps = [
            Step(relative_rate=rate, duration_s=length_s)
            for rate, length_s in zip(rates, lengths_s, strict=True)
            if length_s
        ]
        mean_rate = sum(step.relative_rate * step.duration_s for step in steps) / sum(
            step.duration_s for step in steps
        )
        return Steps(kind="steps", pattern=tuple(steps)), mean_rate * self.capacity_rps
