"""When a trial was disturbed, told by all but its latencies."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from loadtests.records.disturbance import (
    FOREIGN_SHARE,
    Disturbance,
    bound_share,
    count_disturbances,
    disturbances_in_words,
    disturbances_told,
    disturbed,
    foreign_shares,
    judgements,
    usual_probe_ms,
)
from loadtests.records.trials import Level, MachineState, TrialRecord

CORES = {"server": (0,), "load": (1,)}
T_S = np.arange(0.0, 6.0, 0.25)

QUIET = {
    "server_cpu_s": 0.3,
    "load_cpu_s": 0.1,
    "study_cpu_s": 0.01,
    **{"server_cores_busy_s": 0.3, "server_cores_idle_s": 0.69},
    **{"server_cores_irq_s": 0.01, "server_cores_steal_s": 0.0},
    **{"load_cores_busy_s": 0.11, "load_cores_idle_s": 0.87},
    **{"load_cores_irq_s": 0.02, "load_cores_steal_s": 0.0},
}
"""What grew, a second, beside a service at a third of its core."""


def telemetry(**changes: float | None) -> pd.DataFrame:
    grown = {name: np.nan if per_s is None else per_s for name, per_s in (QUIET | changes).items()}
    return pd.DataFrame({"t_s": T_S, **{name: 7 + T_S * per_s for name, per_s in grown.items()}})


def shares(cores: dict[str, tuple[int, ...]] = CORES, **changes: float | None) -> Any:
    return foreign_shares(telemetry(**changes), cores, 1.0, 5.0)


def record(server: float | None = 0.0, load: float | None = 0.0, **changes: Any) -> TrialRecord:
    level = Level("open", rate_rps=5)
    return TrialRecord(
        **{"trial_id": "r1-mine-5rps", "purpose": "measurement", "contender": {"name": "mine"}}
        | {"level": level, "repeat": 1, "order": 1, "status": "completed", "cores": CORES}
        | {"foreign_share": {"server": server, "load": load}, **changes}
    )


def test_what_only_the_trial_s_own_programs_and_interrupts_used_went_to_nobody_else() -> None:
    assert shares() == {"server": pytest.approx(0), "load": pytest.approx(0)}


def test_a_program_on_the_server_s_core_is_what_neither_idled_nor_was_the_server_s() -> None:
    found = shares(server_cores_busy_s=0.99, server_cores_idle_s=0.0)
    assert found == {"server": pytest.approx(0.69), "load": pytest.approx(0)}


def test_what_a_hypervisor_says_it_took_is_no_program_s_and_what_it_hides_is() -> None:
    told = shares(server_cores_idle_s=0.39, server_cores_steal_s=0.3)
    hidden = shares(server_cores_idle_s=0.39)
    assert (told["server"], hidden["server"]) == (pytest.approx(0), pytest.approx(0.3))


def test_contenders_without_load_are_the_study_s_own() -> None:
    frame = telemetry(server_cores_busy_s=0.36, server_cores_idle_s=0.63)
    found = foreign_shares(frame, CORES, 1.0, 5.0, idle_share=0.06)
    assert found["server"] == pytest.approx(0)


def test_the_study_itself_is_known_on_the_load_generator_s_cores() -> None:
    busy = shares(study_cpu_s=0.41, load_cores_busy_s=0.51, load_cores_idle_s=0.47)
    assert busy["load"] == pytest.approx(0)


def test_on_a_shared_core_both_sides_are_the_trial_s_own() -> None:
    grown = {"busy": 0.41, "idle": 0.57, "irq": 0.02, "steal": 0.0}
    both = {f"{side}_cores_{k}_s": v for side in ("server", "load") for k, v in grown.items()}
    found = shares({"server": (0,), "load": (0,)}, **both)
    assert found == {"server": pytest.approx(0), "load": pytest.approx(0)}


@pytest.mark.parametrize("column", ["server_cpu_s", "server_cores_idle_s", "server_cores_irq_s"])
def test_a_side_of_which_something_was_not_read_is_not_known(column: str) -> None:
    assert shares(**{column: None})["server"] is None
    frame = telemetry().drop(columns=column)
    assert foreign_shares(frame, CORES, 1.0, 5.0)["server"] is None


def test_a_service_that_was_given_no_cores_leaves_its_side_not_known() -> None:
    assert shares({"load": (1,)}) == {"server": None, "load": pytest.approx(0)}


def test_counters_that_stand_still_say_nothing() -> None:
    frozen = {name: 0.0 for name in QUIET if "_cores_" in name}
    assert shares(**frozen) == {"server": None, "load": None}


def test_cores_that_did_less_than_the_trial_s_own_programs_were_counted_elsewhere() -> None:
    assert shares(server_cores_busy_s=0.0, server_cores_idle_s=0.99)["server"] is None


def test_one_sample_within_the_trial_is_too_few() -> None:
    assert foreign_shares(telemetry()[:1], CORES, 1.0, 5.0) == {"server": None, "load": None}


@pytest.mark.parametrize(
    ("server", "load", "exceeded"),
    [
        (0.04, 0.04, False),
        (0.5, 0.0, True),
        (0.0, 0.5, True),
        (0.5, None, True),
        (0.0, None, None),
    ],
)
def test_a_trial_is_disturbed_on_either_side_and_not_undisturbed_where_one_is_not_known(
    server: float | None, load: float | None, exceeded: bool | None
) -> None:
    foreign = {"server": server, "load": load}
    found = judgements(foreign, None, CORES)[Disturbance.OTHER_PROGRAMS]
    assert found.exceeded is exceeded
    assert disturbed(foreign, None, CORES) == ((Disturbance.OTHER_PROGRAMS,) if exceeded else ())


def test_one_busy_program_disturbs_many_cores_too() -> None:
    many = {"server": tuple(range(15)), "load": (15,)}
    assert disturbed({"server": 1 / 15, "load": 0.0}, None, many)
    assert not disturbed({"server": 0.4 / 15, "load": 0.0}, None, many)
    assert bound_share(FOREIGN_SHARE, 1) == pytest.approx(0.1)


def test_a_machine_that_was_not_watched_is_not_judged() -> None:
    assert judgements({}, None, CORES) == judgements({}, MachineState(), CORES) == {}


@pytest.mark.parametrize(
    ("state", "kinds"),
    [
        (MachineState(probe_ms=10.6, usual_probe_ms=10.3), ()),
        (MachineState(probe_ms=18.0, usual_probe_ms=10.3), (Disturbance.SLOW_CORE,)),
        (MachineState(probe_ms=18.0), ()),
        (MachineState(steal_share={"server": 0.01, "load": 0.02}), ()),
        (MachineState(steal_share={"server": 0.0, "load": 0.1}), (Disturbance.OTHER_GUESTS,)),
        (MachineState(idle_cpu_share=0.014), ()),
        (MachineState(idle_cpu_share=0.1), (Disturbance.IDLE_CONTENDERS,)),
    ],
)
def test_what_the_machine_did_disturbs_a_trial_beyond_its_bound_only(
    state: MachineState, kinds: tuple[Disturbance, ...]
) -> None:
    assert disturbed({"server": 0.0, "load": 0.0}, state, CORES) == kinds


def test_a_probe_is_compared_with_the_median_of_those_before_once_they_are_enough() -> None:
    assert usual_probe_ms([10.0, 10.1, 30.0, 9.9]) is None
    assert usual_probe_ms([10.0, 10.1, 30.0, 9.9, 31.0]) == 10.1


def test_a_run_without_disturbed_trials_has_nothing_to_tell() -> None:
    assert disturbances_told(*count_disturbances([record(), record(None, None)])) is None


def test_a_run_tells_how_many_trials_are_not_used_and_by_what_they_were_disturbed() -> None:
    slow = MachineState(probe_ms=18.0, usual_probe_ms=10.3)
    spoilt = [record(0.5, trial_id=f"r{k}-mine-5rps") for k in range(1, 7)]
    both = record(0.5, trial_id="r7-mine-5rps", machine=slow)
    told = disturbances_told(*count_disturbances([record(), *spoilt, both]))
    assert told is not None
    assert "in 7 trials, which are not used: other programs (7), a slow core (1). " in told


def test_one_disturbed_trial_is_told_in_its_own_number() -> None:
    told = disturbances_told(*count_disturbances([record(0.5)]))
    assert told is not None
    assert "disturbed in 1 trial, which is not used: " in told


def test_what_disturbed_a_trial_is_said_with_its_bound() -> None:
    slow = MachineState(probe_ms=18.0, usual_probe_ms=10.0)
    assert disturbances_in_words(record(0.31, machine=slow)) == (
        "other programs (31.0 %, bound 10.0 %), a slow core (1.8 times, bound 1.3 times)"
    )
    assert disturbances_in_words(record()) == ""
