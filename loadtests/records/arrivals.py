"""When requests arrive: the arrival processes an experiment can name.

A new one is a class here and a member of Arrivals; nothing else lists them.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator, model_validator

from loadtests.records.strict import Number, Strict
from loadtests.records.trace_file import Times, read_trace

KIND = "Which process; loadtests/records/arrivals.py has them all."


class _Process(Strict, ABC):
    @property
    @abstractmethod
    def gap_cv(self) -> float | None:
        """Standard deviation over mean of the gaps; None where the rate itself changes."""

    @abstractmethod
    def times_s(self, rate_rps: float, duration_s: float, rng: np.random.Generator) -> Times:
        """Arrivals over [0, duration_s), rate_rps of them a second."""


class Poisson(_Process):
    """Independent callers: exponential gaps with mean 1 / rate."""

    kind: Literal["poisson"] = Field(default="poisson", description=KIND)

    @property
    def gap_cv(self) -> float:
        return 1.0

    def times_s(self, rate_rps: float, duration_s: float, rng: np.random.Generator) -> Times:
        return _renewal(lambda n: rng.exponential(1 / rate_rps, n), rate_rps, duration_s)


class Constant(_Process):
    """A metronome: equal gaps. It flatters a server, since nothing ever bunches."""

    kind: Literal["constant"] = Field(description=KIND)

    @property
    def gap_cv(self) -> float:
        return 0.0

    def times_s(self, rate_rps: float, duration_s: float, rng: np.random.Generator) -> Times:
        times: Times = np.arange(math.ceil(rate_rps * duration_s)) / rate_rps
        return times[times < duration_s]


class Gamma(_Process):
    """Bursts: gamma gaps with mean 1 / rate and coefficient of variation cv (1 is Poisson)."""

    kind: Literal["gamma"] = Field(description=KIND)
    cv: Number = Field(gt=0, le=10, description="gamma: coefficient of variation.")

    @property
    def gap_cv(self) -> float:
        return self.cv

    def times_s(self, rate_rps: float, duration_s: float, rng: np.random.Generator) -> Times:
        # A gamma variable of shape k has cv = 1 / sqrt(k).
        shape = self.cv**-2
        return _renewal(lambda n: rng.gamma(shape, 1 / (shape * rate_rps), n), rate_rps, duration_s)


class Step(Strict):
    relative_rate: Number = Field(ge=0, le=1_000_000, description="Its rate beside the others'.")
    duration_s: Number = Field(gt=0, le=86_400, description="Its length.")


class Steps(_Process):
    """Poisson arrivals whose rate follows a pattern of steps, over and over; relative rates are
    scaled so that their mean over the pattern is the level's rate."""

    kind: Literal["steps"] = Field(description=KIND)
    pattern: tuple[Step, ...] = Field(min_length=2, description="steps: the pattern, repeated.")

    @model_validator(mode="after")
    def _has_arrivals(self) -> "Steps":
        if not any(step.relative_rate for step in self.pattern):
            raise ValueError("expected a relative_rate above 0 in at least one step, found none")
        return self

    @property
    def gap_cv(self) -> None:
        return None

    def times_s(self, rate_rps: float, duration_s: float, rng: np.random.Generator) -> Times:
        lengths_s = np.array([step.duration_s for step in self.pattern])
        weights = np.array([step.relative_rate for step in self.pattern]) * lengths_s
        rounds = math.ceil(duration_s / lengths_s.sum())
        ends_s = np.concatenate([[0.0], np.cumsum(np.tile(lengths_s, rounds))])
        scale = rate_rps * lengths_s.sum() / weights.sum()
        expected = np.concatenate([[0.0], np.cumsum(np.tile(weights * scale, rounds))])
        # Inversion (Cinlar 1975): arrivals of rate 1, on the clock of expected arrivals.
        unit = _renewal(lambda n: rng.exponential(1, n), 1.0, float(expected[-1]))
        times: Times = np.interp(unit, expected, ends_s)
        return times[times < duration_s]


class Trace(_Process):
    """Recorded arrivals, from the first one on; a trace shorter than the trial starts over.

    file holds seconds in ascending order, one a line, or first in each line of a CSV file. They
    are replayed as they are, or stretched to the level's rate where scaled is true. It is opened
    for its times only: whoever reads a run of somebody else opens none.
    """

    kind: Literal["trace"] = Field(description=KIND)
    file: str = Field(description="trace: where it lies.")
    scaled: bool = Field(default=False, description="trace: its times follow the level's rate.")

    @field_validator("file")
    @classmethod
    def _beside_the_experiment(cls, file: str, info: ValidationInfo) -> str:
        folder = (info.context or {}).get("folder")
        return str((Path(folder) / file).resolve()) if folder else file

    @property
    def gap_cv(self) -> None:
        return None

    @property
    def mean_rate_rps(self) -> float:
        times = read_trace(Path(self.file))
        return float((len(times) - 1) / times[-1])

    def times_s(self, rate_rps: float, duration_s: float, rng: np.random.Generator) -> Times:
        recorded = read_trace(Path(self.file))
        mean_gap_s = recorded[-1] / (len(recorded) - 1)
        if self.scaled:
            recorded, mean_gap_s = recorded / (rate_rps * mean_gap_s), 1 / rate_rps
        period_s = recorded[-1] + mean_gap_s
        starts_s = np.arange(math.ceil(duration_s / period_s)) * period_s
        times: Times = (starts_s[:, None] + recorded).ravel()
        return times[times < duration_s]


Arrivals = Annotated[Poisson | Constant | Gamma | Steps | Trace, Field(discriminator="kind")]


def _renewal(draw_gaps: Callable[[int], Times], rate_rps: float, duration_s: float) -> Times:
    """Arrivals over [0, duration_s) with the gaps drawn."""
    expected = rate_rps * duration_s
    n_drawn = int(expected + 10 * np.sqrt(expected) + 20)
    times = np.cumsum(draw_gaps(n_drawn))
    while times[-1] < duration_s:
        times = np.concatenate([times, times[-1] + np.cumsum(draw_gaps(n_drawn))])
    return times[times < duration_s]
