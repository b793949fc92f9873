"""An engine measured alone, as the device of a prediction."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.predict.values import PredictError
from loadtests.records.engines import EngineFacts

LEAST_SHARE = 0.25
"""Of the nearest measured time: no extrapolation goes below it."""


@dataclass(frozen=True)
class MeasuredEngine:
    """engines.json's curve of one engine. Between measured batches and lengths the time of a batch
    is linear (a fixed part and one for each text), beyond them it goes on as between the last two.

    host_share: CPU work of the host in a pass; 1 on a CPU.
    """

    engine: EngineFacts
    host_share: float = 1.0

    def __post_init__(self) -> None:
        if not self.engine.curve:
            raise PredictError(
                f"expected a measured curve of {self.engine.title}, found none "
                f"({self.engine.reason or 'not measured'}): run an experiment with [engines]."
            )

    def pass_s(self, batch_size: int, length_tokens: int) -> float:
        lengths = sorted(self._times_s)
        times_s = [_linear(batch_size, *self._times_s[length]) for length in lengths]
        return _linear(length_tokens, lengths, times_s)

    def host_s(self, batch_size: int, length_tokens: int) -> float:
        return self.host_share * self.pass_s(batch_size, length_tokens)

    @cached_property
    def _times_s(self) -> dict[int, tuple[list[int], list[float]]]:
        """Batch sizes and seconds of a batch, by length."""
        found: dict[int, tuple[list[int], list[float]]] = {}
        for point in sorted(self.engine.curve, key=lambda point: point.batch):
            batches, times_s = found.setdefault(point.length_tokens, ([], []))
            batches.append(point.batch)
            times_s.append(point.batch / point.rate_rps)
        return found


def _linear(x: float, known: Sequence[float], values: Sequence[float]) -> float:
    """The line through the neighbours of x, or through the two nearest where it has one only."""
    if len(known) == 1:
        return values[0] * (x / known[0])
    right = int(np.clip(np.searchsorted(known, x), 1, len(known) - 1))
    x0, x1, y0, y1 = known[right - 1], known[right], values[right - 1], values[right]
    nearest = y0 if abs(x - x0) < abs(x - x1) else y1
    return max(y0 + (y1 - y0) * (x - x0) / (x1 - x0), LEAST_SHARE * nearest)
