"""How exactly simulated devices kept to their curves while they were under load."""

from collections.abc import Sequence
from statistics import median

from pydantic import Field

from analysis.read.run import Run
from analysis.read.value import Value
from loadtests.records.device_curve import PASS_P50_BOUND, PASS_P99_BOUND


class SimulatedPasses(Value):
    """One contender in front of a simulated device. Errors: what a pass took over what the curve
    says, less one."""

    contender: str = Field(description="Name of the contender.")
    label: str = Field(description="Card, precision, software and source of the curve.")
    n_passes: int = Field(description="Passes of all its trials.")
    n_trials: int = Field(description="Trials with a pass.")
    n_within_bounds: int = Field(
        description="Trials whose median error and P99 of errors are both within the bounds."
    )
    error_p50: float = Field(description="Median over its trials of their median error.")
    error_p99: float = Field(description="Median over its trials of their P99 of errors.")
    worst_error_p99: float = Field(description="The largest P99 of errors of a trial.")


def simulated_passes(run: Run) -> list[SimulatedPasses]:
    """In the experiment's order; none where no device is simulated."""
    found = [_of(name, run) for name in run.manifest.experiment.contenders]
    return [each for each in found if each]


def _of(contender: str, run: Run) -> SimulatedPasses | None:
    devices = [
        trial.record.simulated_device
        for trial in run.having("measurement", "search")
        if trial.record.contender_name == contender and trial.record.simulated_device
    ]
    errors = [
        (each.pass_error_p50, each.pass_error_p99)
        for each in devices
        if each.pass_error_p50 is not None and each.pass_error_p99 is not None
    ]
    if not errors:
        return None
    return SimulatedPasses(
        contender=contender,
        label=devices[0].label,
        n_passes=sum(each.passes for each in devices),
        n_trials=len(errors),
        n_within_bounds=_within(errors),
        error_p50=median(p50 for p50, _ in errors),
        error_p99=median(p99 for _, p99 in errors),
        worst_error_p99=max(p99 for _, p99 in errors),
    )


def _within(errors: Sequence[tuple[float, float]]) -> int:
    return sum(abs(p50) <= PASS_P50_BOUND and abs(p99) <= PASS_P99_BOUND for p50, p99 in errors)
