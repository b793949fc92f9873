"""What a reader must know of a run before any of its numbers."""

from enum import StrEnum

from pydantic import Field

from analysis.read.contenders import SIMULATED_SERVER
from analysis.read.run import Run
from analysis.read.value import Value
from loadtests.records.disturbance import Disturbance, count_disturbances


class Caution(StrEnum):
    MODEL_NOTES = "model_notes"
    SIMULATED = "simulated_services"
    SIMULATED_DEVICES = "simulated_devices"
    SEEDED = "seeded_weights"
    UNFINISHED = "not_finished"
    DISTURBED = "machine_disturbed"
    UNCOMMITTED = "uncommitted_changes"


class Disturbed(Value):
    """Trials during which the machine was disturbed."""

    trial_ids: list[str] = Field(description="Trials that are not used for it.")
    n_by_cause: dict[Disturbance, int] = Field(
        description="How many of them each cause disturbed: other programs, other guests of the "
        "host, contenders without load, or a slow core of the server."
    )


def disturbed_trials(run: Run) -> Disturbed:
    trial_ids, n_by_cause = count_disturbances(trial.record for trial in run.trials)
    return Disturbed(trial_ids=trial_ids, n_by_cause=n_by_cause)


def simulated_devices(run: Run) -> list[str]:
    """The labels of the devices that some contender simulates."""
    labels = (str(t.record.contender.get("simulated_device") or "") for t in run.trials)
    return [label for label in dict.fromkeys(labels) if label]


def cautions(run: Run, disturbed: Disturbed) -> list[Caution]:
    """In the order in which the report shows them."""
    model = run.manifest.model
    simulated = any(t.record.contender["server"] == SIMULATED_SERVER for t in run.measurements)
    found = {
        Caution.MODEL_NOTES: bool(model.notes),
        Caution.SIMULATED: simulated,
        Caution.SIMULATED_DEVICES: bool(simulated_devices(run)),
        Caution.SEEDED: model.weights == "seeded" and not model.notes and not simulated,
        Caution.UNFINISHED: run.manifest.finished_at is None,
        Caution.DISTURBED: bool(disturbed.trial_ids),
        Caution.UNCOMMITTED: bool(run.manifest.git.dirty),
    }
    return [caution for caution, holds in found.items() if holds]
