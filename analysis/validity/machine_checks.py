"""The checks of the machine: each says what was known when the trial was made, judged alike."""

from collections.abc import Mapping
from types import MappingProxyType

from analysis.validity.found import CheckMeasurement, Found, inapplicable
from loadtests.records.disturbance import Disturbance, judgements
from loadtests.records.trials import MachineState, TrialRecord


def other_programs(record: TrialRecord) -> CheckMeasurement:
    return _judged(
        record,
        Disturbance.OTHER_PROGRAMS,
        *(Found.CORES_SHARED, Found.CORES_NOT_RECORDED),
        numbers=_by_side(record.foreign_share),
    )


def other_guests(record: TrialRecord) -> CheckMeasurement:
    return _judged(
        record,
        Disturbance.OTHER_GUESTS,
        *(Found.CORES_STOLEN, Found.STEAL_NOT_RECORDED),
        numbers=_by_side(_state(record).steal_share),
    )


def idle_contenders(record: TrialRecord) -> CheckMeasurement:
    used_s = _state(record).idle_cpu_s
    return _judged(
        record,
        Disturbance.IDLE_CONTENDERS,
        *(Found.IDLE_CONTENDERS, Found.NONE_IDLE),
        numbers={f"{name}_s": cpu_s for name, cpu_s in used_s.items()},
        text=max(used_s, key=lambda name: used_s[name], default=None),
    )


def core_speed(record: TrialRecord) -> CheckMeasurement:
    machine = _state(record)
    times = {"probe_ms": machine.probe_ms, "usual_probe_ms": machine.usual_probe_ms}
    return _judged(
        record,
        Disturbance.SLOW_CORE,
        *(Found.CORE_SPEED, Found.SPEED_NOT_JUDGED),
        unit="ratio",
        numbers={name: value for name, value in times.items() if value is not None},
    )


def _judged(
    record: TrialRecord,
    kind: Disturbance,
    found: Found,
    unknown: Found,
    unit: str = "share",
    numbers: Mapping[str, float] = MappingProxyType({}),
    text: str | None = None,
) -> CheckMeasurement:
    """What was known of one kind of disturbance when the trial was made, judged in the same way."""
    judgement = judgements(record.foreign_share, record.machine, record.cores).get(kind)
    if judgement is None:
        return inapplicable(unknown)
    return CheckMeasurement(
        *(judgement.exceeded, found, judgement.measured, judgement.bound, unit), numbers, text
    )


def _by_side(shares: Mapping[str, float | None]) -> dict[str, float]:
    return {f"{side}_share": share for side, share in shares.items() if share is not None}


def _state(record: TrialRecord) -> MachineState:
    return record.machine or MachineState()
