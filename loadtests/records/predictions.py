"""predictions.json: what a run was predicted to measure, before its first slice, and from what."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from loadtests.records.stored import Amount, Name, When, read_stored
from loadtests.records.trials import write_stored

PREDICTIONS_FILE = "predictions.json"


@dataclass(frozen=True)
class ToPredict:
    """What is known of a run before its first slice. contenders: declared as in its trials;
    n_tokens: of its texts; within_s: what the predictions may take."""

    run_dir: Path
    contenders: Sequence[Mapping[str, Any]]
    rates_rps: Sequence[float]
    n_tokens: Sequence[int]
    within_s: float


@dataclass(frozen=True)
class PredictedRate:
    """One contender at one arrival rate. Percentiles are null beyond what it sustains."""

    rate_rps: Amount
    throughput_rps: Amount
    p50_ms: Amount | None
    p99_ms: Amount | None
    mean_batch: Amount
    cpu_utilisation: Amount
    device_busy: Amount
    saturated: bool

    @property
    def p50_s(self) -> float:
        return _seconds(self.p50_ms)

    @property
    def p99_s(self) -> float:
        return _seconds(self.p99_ms)


@dataclass(frozen=True)
class PredictedContender:
    """highest_rps: what it is predicted to sustain; simulated_device: empty where none is."""

    contender: Name
    simulated_device: str
    highest_rps: Amount
    rates: tuple[PredictedRate, ...]

    def at(self, rate_rps: float) -> PredictedRate | None:
        """None: not predicted at that rate."""
        return next((each for each in self.rates if each.rate_rps == rate_rps), None)


@dataclass(frozen=True)
class PredictionBasis:
    """The earlier run that the servers' costs come from, and the run of the engines."""

    costs_from: Name
    costs_created_at: When
    costs_commit: str | None
    engines_from: Name


@dataclass(frozen=True)
class Predictions:
    """reason: why nothing was predicted, one sentence; empty where something was. left_out: the
    same by contender."""

    reason: str = ""
    basis: PredictionBasis | None = None
    contenders: tuple[PredictedContender, ...] = ()
    left_out: Mapping[Name, str] = field(default_factory=dict)
    made_at: When = ""
    took_s: Amount = 0.0

    def of(self, contender: str) -> PredictedContender | None:
        return next((each for each in self.contenders if each.contender == contender), None)


Predict = Callable[[ToPredict], Predictions]


def write_predictions(run_dir: Path, predictions: Predictions) -> None:
    """Writes predictions.json, complete or not at all."""
    write_stored(run_dir / PREDICTIONS_FILE, asdict(predictions))


def read_predictions(run_dir: Path) -> Predictions | None:
    """None where the run has none; RecordError where they are damaged."""
    path = run_dir / PREDICTIONS_FILE
    return read_stored(path, Predictions) if os.path.lexists(path) else None


def _seconds(value_ms: float | None) -> float:
    return float("nan") if value_ms is None else value_ms / 1000
