"""When requests arrive: the arrival processes an experiment can name, and traces of real ones."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator, model_validator

from loadtests.spec.strict import Number, Strict
from servers.regular_file import read_regular

Times = NDArray[np.float64]

MOST_TRACE_BYTES = 512 * 2**20
_MOST_S = 1e11
"""Three thousand years since 1970: a larger number counts milliseconds."""
_FOREIGN = re.compile(r"[-+]?\d+([.,]\d+)?\s*;")
_TWO_WHOLE = re.compile(r"[-+]?\d+,\d+")


class Poisson(Strict):
    """Independent callers: exponential gaps with mean 1 / rate."""

    kind: Literal["poisson"] = "poisson"

    def times_s(self, rate_rps: float, duration_s: float, rng: np.random.Generator) -> Times:
        return _renewal(lambda n: rng.exponential(1 / rate_rps, n), rate_rps, duration_s)


class Constant(Strict):
    """A metronome: equal gaps. It flatters a server, since nothing ever bunches."""

    kind: Literal["constant"]

    def times_s(self, rate_rps: float, duration_s: float, rng: np.random.Generator) -> Times:
        times: Times = np.arange(math.ceil(rate_rps * duration_s)) / rate_rps
        return times[times < duration_s]


class Gamma(Strict):
    """Bursts: gamma gaps with mean 1 / rate and coefficient of variation cv (1 is Poisson)."""

    kind: Literal["gamma"]
    cv: Annotated[Number, Field(gt=0, le=10)]

    def times_s(self, rate_rps: float, duration_s: float, rng: np.random.Generator) -> Times:
        # A gamma variable of shape k has cv = 1 / sqrt(k).
        shape = self.cv**-2
        return _renewal(lambda n: rng.gamma(shape, 1 / (shape * rate_rps), n), rate_rps, duration_s)


class Step(Strict):
    relative_rate: Annotated[Number, Field(ge=0, le=1_000_000)]
    duration_s: Annotated[Number, Field(gt=0, le=86_400)]


class Steps(Strict):
    """Poisson arrivals whose rate follows a pattern of steps, over and over; relative rates are
    scaled so that their mean over the pattern is the level's rate."""

    kind: Literal["steps"]
    pattern: Annotated[tuple[Step, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _has_arrivals(self) -> "Steps":
        if not any(step.relative_rate for step in self.pattern):
            raise ValueError("expected a relative_rate above 0 in at least one step, found none")
        return self

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


class Trace(Strict):
    """Recorded arrivals, from the first one on; a trace shorter than the trial starts over.

    file holds seconds in ascending order, one a line, or first in each line of a CSV file. They
    are replayed as they are, or stretched to the level's rate where scaled is true.
    """

    kind: Literal["trace"]
    file: str
    scaled: bool = False

    @field_validator("file")
    @classmethod
    def _beside_the_experiment(cls, file: str, info: ValidationInfo) -> str:
        folder = (info.context or {}).get("folder")
        path = str((Path(folder) / file).resolve()) if folder else file
        read_trace(Path(path))
        return path

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


def read_trace(path: Path) -> Times:
    """The timestamps of a trace, the first one at 0 s; ValueError names the line that is wrong."""
    try:
        content = read_regular(path, MOST_TRACE_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"cannot read the trace {path} ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"cannot read the trace {path} ({error})") from error
    times: list[float] = []
    lines = [line.strip() for line in content.splitlines()]
    for number, line in enumerate(lines, start=1):
        first = line.split(",")[0].strip()
        if _FOREIGN.match(line):
            raise ValueError(
                f"expected seconds with a decimal point, and commas between columns, in line "
                f"{number} of {path}, found {line[:40]!r}; write 0.5,1 for 0,5;1"
            )
        if not first or (number == 1 and not _is_seconds(first)):
            continue  # an empty line, or the heading of a CSV file
        least = times[-1] if times else -math.inf
        if not _is_seconds(first) or float(first) < least:
            found = f"expected seconds, ascending, in line {number} of {path}, found {first[:40]!r}"
            raise ValueError(found)
        times.append(float(first))
    if len(times) < 2 or times[0] == times[-1]:
        raise ValueError(f"expected at least two different timestamps in {path}, found fewer")
    _refuse_decimal_commas([line for line in lines if line], path)
    return np.array(times) - times[0]


def _refuse_decimal_commas(lines: list[str], path: Path) -> None:
    """Two columns of whole numbers without a heading may be one of decimal commas."""
    if all(_TWO_WHOLE.fullmatch(line) for line in lines):
        raise ValueError(
            f"expected seconds with a decimal point in {path}, found {lines[0][:40]!r} in line 1 "
            "and no line unlike it; write 0.5 for 0,5, or give two columns a heading"
        )


def _is_seconds(text: str) -> bool:
    try:
        return abs(float(text)) <= _MOST_S
    except ValueError:
        return False


def _renewal(draw_gaps: Callable[[int], Times], rate_rps: float, duration_s: float) -> Times:
    """Arrivals over [0, duration_s) with the gaps drawn."""
    expected = rate_rps * duration_s
    n_drawn = int(expected + 10 * np.sqrt(expected) + 20)
    times = np.cumsum(draw_gaps(n_drawn))
    while times[-1] < duration_s:
        times = np.concatenate([times, times[-1] + np.cumsum(draw_gaps(n_drawn))])
    return times[times < duration_s]
