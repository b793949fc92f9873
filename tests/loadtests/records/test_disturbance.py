"""What part of a trial's cores went to others, and when that is too much to use the trial."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from loadtests.records.disturbance import (
    bound_share,
    disturbances_in_words,
    disturbed,
    foreign_in_words,
    foreign_shares,
)
from loadtests.records.trials import Level, TrialRecord

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


def record(*attempts: tuple[float | None, float | None], **changes: Any) -> TrialRecord:
    read = tuple({"server": server, "load": load} for server, load in attempts)
    level = Level("open", rate_rps=5)
    return TrialRecord(
        **{"trial_id": "r1-mine-5rps", "purpose": "measurement", "contender": {"name": "mine"}}
        | {"level": level, "repeat": 1, "order": 1, "status": "completed", "cores": CORES}
        | {"attempts_foreign_share": read, **changes}
    )


def test_what_only_the_trial_s_own_programs_and_interrupts_used_went_to_nobody_else() -> None:
    assert shares() == {"server": pytest.approx(0), "load": pytest.approx(0)}


def test_a_program_on_the_server_s_core_is_what_neither_idled_nor_was_the_server_s() -> None:
    found = shares(server_cores_busy_s=0.99, server_cores_idle_s=0.0)
    assert found == {"server": pytest.approx(0.69), "load": pytest.approx(0)}


def test_what_a_hypervisor_took_went_to_others_whether_it_says_so_or_not() -> None:
    told = shares(server_cores_idle_s=0.39, server_cores_steal_s=0.3)
    hidden = shares(server_cores_idle_s=0.39)
    assert told["server"] == hidden["server"] == pytest.approx(0.3)


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
    ("server", "load", "found"),
    [
        (0.04, 0.04, False),
        (0.5, 0.0, True),
        (0.0, 0.5, True),
        (0.5, None, True),
        (0.0, None, None),
        (None, None, None),
    ],
)
def test_a_trial_is_disturbed_on_either_side_and_not_undisturbed_where_one_is_not_known(
    server: float | None, load: float | None, found: bool | None
) -> None:
    assert disturbed({"server": server, "load": load}, CORES) is found


def test_one_busy_program_disturbs_many_cores_too() -> None:
    many = {"server": tuple(range(15)), "load": (15,)}
    assert disturbed({"server": 1 / 15, "load": 0.0}, many) is True
    assert disturbed({"server": 0.4 / 15, "load": 0.0}, many) is False
    assert bound_share(1) == pytest.approx(0.1)


def test_a_share_that_is_not_known_is_never_called_zero() -> None:
    assert foreign_in_words({"server": None, "load": 0.021}) == (
        "an unknown share of the server's cores and 2.1 % of the load generator's"
    )


def test_a_run_without_disturbed_trials_has_nothing_to_tell() -> None:
    assert disturbances_in_words([record((0.0, 0.0)), record(), record((None, None))]) is None


def test_a_run_tells_how_many_trials_were_repeated_and_which_are_not_used() -> None:
    again = record((0.5, 0.0), (0.0, 0.0))
    spoilt = [record((0.5, 0.0), trial_id=f"r{k}-mine-5rps") for k in range(7)]
    told = disturbances_in_words([record((0.0, 0.0)), again, *spoilt])
    assert told is not None
    assert "1 trial was repeated until undisturbed" in told
    assert "7 stayed disturbed and are not used (r0-mine-5rps, " in told
    assert "r4-mine-5rps and 2 more)" in told


def test_one_trial_and_several_are_told_in_their_own_number() -> None:
    again = record((0.5, 0.0), (0.0, 0.0))
    told = disturbances_in_words([again, again, record((0.5, 0.0))])
    assert told is not None
    assert "2 trials were repeated until undisturbed, 1 stayed disturbed and is not used (" in told
