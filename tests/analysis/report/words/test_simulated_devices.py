"""What stands above a report with simulated devices."""

from types import SimpleNamespace
from typing import Any

from analysis.report.cautions import Caution, Disturbed
from analysis.report.words.run import warnings

T4, A100 = "simulated device: T4", "simulated device: A100"


def summary(**simulated: str) -> Any:
    return SimpleNamespace(
        warnings=[Caution.SIMULATED_DEVICES] if any(simulated.values()) else [],
        disturbed=Disturbed(trial_ids=[], n_by_cause={}),
        manifest=SimpleNamespace(model=SimpleNamespace(notes=[])),
        contenders=[
            SimpleNamespace(name=name, simulated_device=label) for name, label in simulated.items()
        ],
    )


def test_each_simulated_device_is_named_with_who_stands_before_it() -> None:
    assert warnings(summary(a=T4, b="", c=A100, d=T4)) == [
        "Simulated device: T4, behind a, d: passes take what its curve says, nothing is computed, "
        "and all else is real.",
        "Simulated device: A100, behind c: passes take what its curve says, nothing is computed, "
        "and all else is real.",
    ]


def test_without_one_nothing_is_said() -> None:
    assert warnings(summary(a="", b="")) == []
