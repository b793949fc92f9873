"""When requests arrive and which text each one carries: seeded, the same for every contender."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadtests.records.arrivals import Arrivals

CLOSED_LOOP_TEXTS = 20_000
"""Texts drawn for a closed-loop trial, whose number of requests is not known beforehand."""


@dataclass(frozen=True)
class Schedule:
    """times_s: float64[n], ascending, on the trial's clock (empty in a closed loop); text_ids:
    int32[n], the text of each request in order (a closed loop starts over at the end)."""

    times_s: NDArray[np.float64]
    text_ids: NDArray[np.int32]

    @property
    def digest(self) -> str:
        content = self.times_s.tobytes() + self.text_ids.tobytes()
        return hashlib.sha256(content).hexdigest()[:16]


def open_schedule(
    process: Arrivals, rate_rps: float, duration_s: float, n_texts: int, seed: Sequence[int]
) -> Schedule:
    """Arrivals of the process over [0, duration_s), each with a text drawn evenly from n_texts."""
    arrivals, texts = np.random.SeedSequence(seed).spawn(2)
    times = process.times_s(rate_rps, duration_s, np.random.default_rng(arrivals))
    return Schedule(times, _draw_texts(texts, len(times), n_texts))


def closed_schedule(n_texts: int, seed: Sequence[int]) -> Schedule:
    """The order of texts for a closed loop, where each caller sends when its last reply came."""
    (texts,) = np.random.SeedSequence(seed).spawn(1)
    return Schedule(np.empty(0), _draw_texts(texts, CLOSED_LOOP_TEXTS, n_texts))


def _draw_texts(seed: np.random.SeedSequence, n: int, n_texts: int) -> NDArray[np.int32]:
    return np.random.default_rng(seed).integers(0, n_texts, n, dtype=np.int32)
