"""What the run is predicted to measure, written down before its first slice."""

from collections.abc import Mapping
from dataclasses import asdict, replace

from loadtests.measure.tools import RunContext
from loadtests.plan.grid import grid_of
from loadtests.records.predictions import (
    PREDICTIONS_FILE,
    Predict,
    Predictions,
    ToPredict,
    write_predictions,
)
from loadtests.run.rotation import Rotation
from loadtests.spec.experiment import Experiment
from servers.discovery import Contender

MOST_OF_TIME = 0.05
"""Share of the time left that predictions may take."""

TOO_LATE = (
    "expected no slice before the predictions, found some: the run was begun without them, and "
    "what is predicted now could know them; start a new run."
)


def foretell(
    rotation: Rotation,
    contenders: Mapping[str, Contender],
    run: RunContext,
    predict: Predict | None,
) -> None:
    """Keeps what a continued run has; a run that has slices but no predictions gets none."""
    if predict is None or (run.folder / PREDICTIONS_FILE).exists():
        return
    began_s = run.tools.clock()
    if rotation.history.records:
        found = Predictions(TOO_LATE)
    else:
        run.tools.say("Predicting what will be measured")
        found = predict(_question(rotation, contenders, run))
    for reason in filter(None, (found.reason, *found.left_out.values())):
        run.tools.say(f"Not predicted: {reason}")
    now = run.tools.now().isoformat(timespec="seconds")
    took_s = round(run.tools.clock() - began_s, 3)
    write_predictions(run.folder, replace(found, made_at=now, took_s=took_s))


def rates_rps(experiment: Experiment) -> list[float]:
    """Every open-loop rate that may be measured below overload: the common ones and the grid of
    the search."""
    grid = grid_of(experiment.capacity).rates_rps() if experiment.capacity else []
    return sorted({*experiment.load.rates_rps, *grid})


def _question(
    rotation: Rotation, contenders: Mapping[str, Contender], run: RunContext
) -> ToPredict:
    return ToPredict(
        run_dir=run.folder,
        contenders=[asdict(contenders[name]) for name in run.experiment.contenders],
        rates_rps=rates_rps(run.experiment),
        n_tokens=[text.n_tokens for text in run.artefacts.texts],
        within_s=MOST_OF_TIME * rotation.left_s(),
    )
