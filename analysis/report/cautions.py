"""What a reader must know of a run before any of its numbers."""

from enum import StrEnum

from pydantic import Field

from analysis.read.contenders import SIMULATED_SERVER
from analysis.read.run import Run
from analysis.read.value import Value
from loadtests.records.disturbance import disturbances


class Caution(StrEnum):
    MODEL_NOTES = "model_notes"
    SIMULATED = "simulated_services"
    SEEDED = "seeded_weights"
    UNFINISHED = "not_finished"
    DISTURBED = "machine_disturbed"
    UNCOMMITTED = "uncommitted_changes"


class Disturbed(Value):
    """Trials during which other programs used the cores of the server or of the load generator."""

    trial_ids: list[str] = Field(description="Trials that stayed disturbed and are not used.")
    n_repeated: int = Field(description="Other trials that were repeated until undisturbed.")


def disturbed_trials(run: Run) -> Disturbed:
    trial_ids, n_repeated = disturbances(trial.record for trial in run.trials)
    return Disturbed(trial_ids=trial_ids, n_repeated=n_repeated)


def cautions(run: Run, disturbed: Disturbed) -> list[Caution]:
    """In the order in which the report shows them."""
    model = run.manifest.model
    simulated = any(t.record.contender["server"] == SIMULATED_SERVER for t in run.measurements)
    found = {
        Caution.MODEL_NOTES: bool(model.notes),
        Caution.SIMULATED: simulated,
        Caution.SEEDED: model.weights == "seeded" and not model.notes and not simulated,
        Caution.UNFINISHED: run.manifest.finished_at is None,
        Caution.DISTURBED: bool(disturbed.trial_ids or disturbed.n_repeated),
        Caution.UNCOMMITTED: bool(run.manifest.git.dirty),
    }
    return [caution for caution, holds in found.items() if holds]
