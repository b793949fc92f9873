"""What a finished trial says of an SLO, and when it cannot say."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from loadtests.plan.rounds import AS_PLANNED, STARTUP_S
from loadtests.records.experiment import LoadSpec, Slo
from loadtests.records.stored import RecordError
from loadtests.records.tables import REQUESTS_SCHEMA, write_table
from loadtests.records.trials import (
    CLIENT_LIMIT,
    Level,
    ParityRecord,
    Phases,
    TrialRecord,
    write_trial,
)
from loadtests.run.history import History, missed_in_doubt, slo_met
from loadtests.spec.experiment import Experiment

SLO = Slo(percentile=99, latency_ms=100)

DISTURBED: dict[str, Any] = {
    "cores": {"server": (0,), "load": (1,)},
    "foreign_share": {"server": 0.6, "load": 0.0},
}
"""Fields of a trial beside which a program used most of the server's core."""


def record(name: str = "a", rate_rps: float = 100, **changes: object) -> TrialRecord:
    fields: dict[str, object] = {
        "trial_id": f"search-{name}-{rate_rps:g}rps",
        "purpose": "search",
        "contender": {
            "name": name,
            "server": "s",
            "protocol": "http-json",
            "engine": "none",
            "setting": "tuned",
            "batching": False,
            "summary": "A contender of these tests.",
            "components": 1,
        },
        "level": Level("open", rate_rps=rate_rps),
        "repeat": 0,
        "order": 1,
        "status": "completed",
        "startup_s": 2.0,
        "phases": Phases(1.0, 4.0),
        "send_lag_p99_ms": 1.0,
    }
    return TrialRecord(**(fields | changes))  # type: ignore[arg-type]  # any field may be changed


def rows(latency_s: float, lag_s: float = 0.001, n_paused: int = 0) -> pd.DataFrame:
    """500 requests, of which n_paused of the steady state took 200 ms more."""
    scheduled_s = np.arange(0, 5, 0.01)
    latency_s = latency_s + 0.2 * ((scheduled_s >= 2) & (scheduled_s < 2 + n_paused / 100))
    return pd.DataFrame(
        {
            "request_index": np.arange(len(scheduled_s)),
            "scheduled_s": scheduled_s,
            "sent_s": scheduled_s + lag_s,
            "done_s": scheduled_s + latency_s,
            "phase": np.where(scheduled_s < 1, "warm-up", "steady"),
            "status": "ok",
        }
    )


@pytest.fixture
def history(tmp_path: Path):
    experiment = Experiment(
        name="t",
        reference="a",
        contenders=("a", "b"),
        load=LoadSpec(rates_rps=(10,)),
        slo=SLO,
        more_slos=(Slo(percentile=50, latency_ms=10),),
    )

    def saved(*trials: tuple[TrialRecord, float], n_paused: int = 0) -> History:
        for trial, latency_s in trials:
            folder = tmp_path / "trials" / trial.trial_id
            folder.mkdir(parents=True)
            write_table(
                folder / "requests.parquet", rows(latency_s, n_paused=n_paused), REQUESTS_SCHEMA
            )
            write_trial(folder, trial)
        return History.read(tmp_path, experiment)

    return saved


@pytest.mark.parametrize("latency_s", [0.05, 0.15])
def test_a_trial_whose_client_ran_out_of_something_says_nothing_of_the_slo(
    latency_s: float,
) -> None:
    limited = rows(latency_s)
    limited.loc[limited.index[200:], "status"] = CLIENT_LIMIT
    assert slo_met([(record(), limited)], SLO) is None
    assert slo_met([(record(), limited), (record(), rows(latency_s))], SLO) is (latency_s < 0.1)


@pytest.mark.parametrize(("latency_s", "met"), [(0.05, True), (0.15, False)])
def test_a_trial_on_time_says_whether_the_slo_was_met(latency_s: float, met: bool) -> None:
    assert slo_met([(record(), rows(latency_s))], SLO) is met


@pytest.mark.parametrize("latency_s", [0.05, 0.11])
def test_a_late_client_leaves_it_unknown(latency_s: float) -> None:
    late = record(send_lag_p99_ms=20.0)
    assert slo_met([(late, rows(latency_s, lag_s=0.02))], SLO) is None


def test_a_server_too_slow_even_from_the_time_of_sending_misses_it_whatever_the_client() -> None:
    late = record(send_lag_p99_ms=20.0)
    assert slo_met([(late, rows(0.13, lag_s=0.02))], SLO) is False


def test_saturation_is_believed_of_a_client_that_was_late_by_less_than_the_bound() -> None:
    assert slo_met([(record(send_lag_p99_ms=50.0), rows(2.0))], SLO) is False
    assert slo_met([(record(send_lag_p99_ms=150.0), rows(2.0))], SLO) is None


def test_one_window_with_a_pause_of_the_machine_is_in_doubt_until_two_others_outvote_it() -> None:
    paused, clean = (record(), rows(0.05, n_paused=50)), (record(), rows(0.05))
    judged = [
        (slo_met(seen, SLO), missed_in_doubt(seen, SLO)) for seen in ([paused], [paused, clean])
    ]
    assert judged == [(False, True), (False, True)]
    assert slo_met([paused, clean, clean], SLO) is True
    assert not missed_in_doubt([paused, clean, clean], SLO)


def test_two_windows_that_missed_leave_no_doubt() -> None:
    paused, clean = (record(), rows(0.05, n_paused=50)), (record(), rows(0.05))
    assert slo_met([paused, paused, clean], SLO) is False
    assert not missed_in_doubt([paused, paused], SLO)


def test_a_window_with_most_requests_over_leaves_no_doubt() -> None:
    assert not missed_in_doubt([(record(), rows(0.15))], SLO)


def test_a_late_client_leaves_nothing_to_doubt() -> None:
    late = record(send_lag_p99_ms=30.0)
    assert not missed_in_doubt([(late, rows(0.05, n_paused=50))], SLO)


def test_late_clients_do_not_keep_a_miss_in_doubt_for_ever() -> None:
    paused, late = (record(), rows(0.05, n_paused=50)), record(send_lag_p99_ms=30.0)
    assert missed_in_doubt([paused, (late, rows(0.05))], SLO)
    assert not missed_in_doubt([paused, (late, rows(0.05)), (late, rows(0.05))], SLO)


def probes(history: History, contender: str) -> list[dict[float, bool | None]]:
    return [probes for probes, _ in history.answers(contender)]


def doubted(history: History, contender: str) -> list[set[float]]:
    return [doubted for _, doubted in history.answers(contender)]


def test_a_rate_that_one_window_missed_is_doubted_for_the_slo_that_it_missed(history) -> None:
    found = history((record(), 0.005), (record("b"), 0.15), n_paused=50)
    assert [doubted(found, name) for name in "ab"] == [[{100}, set()], [set(), set()]]


def test_probes_of_a_rate_are_counted_without_its_repeats(history) -> None:
    repeat = record(trial_id="r1-a-100rps", purpose="measurement", repeat=1)
    found = history((record(), 0.05), (repeat, 0.05))
    assert (found.n_probes("a", 100), found.n_probes("a", 200)) == (1, 0)


def test_a_probe_and_the_first_repeat_of_its_rate_are_judged_together(history) -> None:
    repeat = record(trial_id="r1-a-100rps", purpose="measurement", repeat=1)
    later = record("b", trial_id="r2-b-100rps", purpose="measurement", repeat=2)
    found = history((record(), 0.05), (repeat, 0.15), (record("b"), 0.05), (later, 0.15))
    assert probes(found, "a")[0] == {100: False}
    assert probes(found, "b")[0] == {100: True}


def test_every_slo_is_judged_from_the_same_trial(history) -> None:
    found = history((record(), 0.05), (record(rate_rps=200), 0.15), (record("b"), 0.001))
    assert probes(found, "a") == [{100: True, 200: False}, {100: False, 200: False}]
    assert probes(found, "b") == [{100: True}, {100: True}]


def test_a_contender_with_a_failed_probe_or_other_answers_is_out(history) -> None:
    wrong = record("b", parity=ParityRecord(checked=10, mismatches=1, max_confidence_gap=0.5))
    found = history((record("a"), 0.05), (wrong, 0.05))
    assert not found.is_out("a")
    assert found.is_out("b")


def test_rates_are_valid_up_to_half_of_what_the_client_can_do(history) -> None:
    calibrated = record("null", purpose="calibration", level=Level("closed", concurrency=4))
    found = history((calibrated, 0.0))
    assert found.highest_valid_rps("http-json") == pytest.approx(50, rel=0.01)
    assert found.highest_valid_rps("kserve-grpc") == float("inf")


def test_a_disturbed_trial_proves_neither_that_the_slo_was_met_nor_that_it_was_missed() -> None:
    disturbed = record(**DISTURBED)
    for latency_s in (0.05, 2.0):
        assert slo_met([(disturbed, rows(latency_s))], SLO) is None
        assert not missed_in_doubt([(disturbed, rows(latency_s))], SLO)


def test_the_undisturbed_trials_of_a_rate_decide() -> None:
    disturbed, quiet = record(**DISTURBED), record()
    assert slo_met([(disturbed, rows(2.0)), (quiet, rows(0.05))], SLO) is True
    assert slo_met([(disturbed, rows(0.05)), (quiet, rows(2.0))], SLO) is False


def test_a_disturbed_calibration_does_not_lower_what_the_client_can_do(history) -> None:
    closed = Level("closed", concurrency=4)
    spoilt = record("null", purpose="calibration", level=closed, **DISTURBED)
    assert history((spoilt, 0.0)).highest_valid_rps("http-json") == float("inf")


def test_what_was_made_before_is_charged_to_the_budget_but_calibration_is_not(history) -> None:
    calibrated = record("null", purpose="calibration", level=Level("closed", concurrency=4))
    assert history((calibrated, 0.0)).spent_s() == 0
    assert history((record(), 0.05), (record(rate_rps=200), 0.05)).spent_s() > 2 + 2 * 5


def test_a_search_has_ended_when_its_first_repeat_is_there_or_the_contender_is_out(history) -> None:
    repeat = record(trial_id="r1-a-100rps", purpose="measurement", repeat=1)
    assert history((record(), 0.05), (record("b"), 0.05)).searched() == set()
    assert history((repeat, 0.05)).searched() == {"a"}
    wrong = ParityRecord(checked=10, mismatches=1, max_confidence_gap=0.5)
    out = record("b", rate_rps=200, parity=wrong)
    assert history((out, 0.05)).searched() == {"a", "b"}


def test_a_start_is_expected_to_take_what_the_slowest_one_took_or_the_mean_of_others(
    history,
) -> None:
    again = record(rate_rps=200, startup_s=8.0)
    starts = history((record(), 0.05), (again, 0.05), (record("b", startup_s=4.0), 0.05)).starts()
    assert [starts.of(name) for name in ("a", "b", "c")] == [8, 4, 6]
    assert AS_PLANNED.of("a") == STARTUP_S


def test_a_contender_whose_trials_all_failed_has_never_served(history) -> None:
    failed = record("b", status="failed", startup_s=None)
    found = history((record(), 0.05), (failed, 0.05))
    assert [found.never_served(name) for name in ("a", "b", "c")] == [False, True, False]


def test_a_copied_trial_is_refused_before_the_search_counts_it(history, tmp_path: Path) -> None:
    found = history((record(), 0.05))
    trials = tmp_path / "trials"
    shutil.copytree(trials / "search-a-100rps", trials / "search-a-100rps-2")
    with pytest.raises(RecordError, match="a trial counts once"):
        History.read(tmp_path, found.experiment)
