"""The measured slices of a run as schedules, and a prediction for each of its points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.capacity.load_points import Point
from analysis.predict.basis import Modelled
from analysis.predict.goals import PredictionError, prediction_error
from analysis.predict.path import Schedule, predict_slices
from analysis.predict.rates import prepare
from analysis.predict.values import PredictError, Traffic
from analysis.read.run import Run, Trial


@dataclass(frozen=True)
class Checked:
    """Predictions beside a run's points. own_costs: the costs of the fronts come from loads of the
    same run, so that only what follows from them is tested. n_unused: points that are not valid, or
    of a contender that is not modelled."""

    errors: tuple[PredictionError, ...]
    points: tuple[Point, ...]
    labels: Mapping[str, str]
    own_costs: bool
    n_unused: int


def check_points(
    run: Run,
    points: Sequence[Point],
    models: Sequence[Modelled],
    traffic: Traffic,
    own_costs: bool,
) -> Checked:
    """Replays the schedules of the slices behind every usable point of an open loop;
    PredictError where the run and the models have no contender in common."""
    by_name = {each.name: each for each in models}
    trials = {trial.record.trial_id: trial for trial in run.trials}
    errors, used = [], []
    open_loop = [point for point in points if point.rate_rps is not None]
    for point in open_loop:
        if point.contender not in by_name or not point.usable:
            continue
        model = by_name[point.contender]
        slices = [schedule_of(trials[name], traffic) for name in point.trial_ids]
        prepared = prepare(model.front, model.device, traffic)
        predicted = predict_slices(prepared, point.rate_rps or 0.0, slices)
        errors.append(prediction_error(predicted, prepared.highest_rate_rps, point))
        used.append(point)
    if not errors:
        raise PredictError(
            f"expected a valid point of {', '.join(by_name)} in {run.manifest.run_id}, found none: "
            "check another run."
        )
    labels = {each.name: each.label for each in models if each.label}
    return Checked(tuple(errors), tuple(used), labels, own_costs, len(open_loop) - len(used))


def schedule_of(trial: Trial, traffic: Traffic) -> Schedule:
    """When the requests of a slice were due, of which of the traffic's lengths, and which of them
    count. A length that the traffic does not have becomes the nearest."""
    rows = trial.requests[trial.requests["n_tokens"].notna()].sort_values("scheduled_s")
    due_s = rows["scheduled_s"].to_numpy(dtype=float)
    return Schedule(
        arrived_s=due_s - due_s[0] if len(due_s) else due_s,
        numbers=_nearest(rows["n_tokens"].to_numpy(dtype=float), traffic.lengths_tokens),
        counted=(rows["phase"] == "steady").to_numpy(),
    )


def _nearest(tokens: NDArray[Any], lengths: Sequence[int]) -> NDArray[np.int64]:
    distances = np.abs(tokens[:, None] - np.asarray(lengths, dtype=float)[None, :])
    found: NDArray[np.int64] = distances.argmin(axis=1).astype(np.int64)
    return found
