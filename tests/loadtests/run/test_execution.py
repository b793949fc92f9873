"""Whole runs against null servers: what becomes of trials that fail, are late, or are there."""

import errno
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from loadtests.host.cores import available_cores
from loadtests.launch.artefacts import Artefacts
from loadtests.launch.server import LaunchError, RunningServer
from loadtests.measure import session as session_module
from loadtests.measure import trial as trial_module
from loadtests.measure.locust_process import DriveError
from loadtests.measure.trial import RunContext
from loadtests.records.run_folder import forget_failed
from loadtests.records.run_trials import RunTables, read_trials
from loadtests.records.trials import (
    SCHEMA_VERSION,
    Dropped,
    TrialRecord,
    read_json,
    write_json,
)
from loadtests.run import history as history_module
from loadtests.run.execution import execute
from loadtests.spec.contenders import resolve_contenders
from loadtests.spec.experiment import (
    CalibrationSpec,
    CapacitySpec,
    Experiment,
    LoadSpec,
    VariantSpec,
)
from loadtests.wire.texts import read_traffic

BROKEN = VariantSpec(name="broken", base="null-http", options={"wire": "smoke signals"})


class Heard:
    """A progress that remembers, and interrupts the run after some trials where asked to."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.finished: list[str] = []
        self.drops: list[Dropped] = []
        self._stop_after = stop_after

    def begins(self, left_s: float) -> None: ...

    def session_started(self, contender: str, left_s: float) -> None: ...

    def trial_finished(self, trial: object, record: TrialRecord, left_s: float) -> None:
        self.finished.append(record.trial_id)
        if len(self.finished) == self._stop_after:
            raise KeyboardInterrupt

    def dropped(self, what: Dropped) -> None:
        self.drops.append(what)


@pytest.fixture
def run(tmp_path: Path, traffic_file: Path, machine_left_alone: None) -> Callable[..., Heard]:
    def start(
        *contenders: str,
        rates_rps: tuple[float, ...] = (30,),
        heard: Heard | None = None,
        run_id: str | None = None,
        **settings: object,
    ) -> Heard:
        experiment = Experiment(
            name="t",
            reference=contenders[0],
            contenders=contenders,
            load=LoadSpec(rates_rps=rates_rps, warmup_s=0.2, steady_s=0.5, request_timeout_s=2),
            calibration=CalibrationSpec(contenders=()),
            variants=(BROKEN,),
            **settings,
        )
        cores = dict.fromkeys(("server", "load"), available_cores())
        artefacts = Artefacts(tmp_path, traffic_file, read_traffic(traffic_file), {}, {})
        context = RunContext(tmp_path, experiment, artefacts, cores, None, run_id)
        write_json(
            tmp_path / "manifest.json", {"schema_version": SCHEMA_VERSION, "finished_at": None}
        )
        heard = heard or Heard()
        execute(resolve_contenders(experiment), context, heard)
        return heard

    return start


def test_a_contender_that_does_not_start_is_a_row_with_its_reason_and_the_rest_goes_on(
    run, tmp_path: Path
) -> None:
    run("null-http", "broken")
    found = read_trials(tmp_path)
    assert found["r1-null-http-30rps"].status == "completed"
    broken = found["r1-broken-30rps"]
    assert broken.status == "failed"
    assert "broken exited with code" in str(broken.reason)
    assert "smoke signals" in "\n".join(broken.log_tail)
    assert RunTables(tmp_path).requests(broken).empty


def test_a_trial_in_which_the_server_restarted_a_part_of_itself_fails_and_the_next_has_a_new_one(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, servers = "Triton is started again in 0.5 s: it ended with code -11", list[object]()

    def restarts(server: RunningServer) -> tuple[str, ...]:
        if server not in servers:
            servers.append(server)
        return (said,) if server is servers[0] else ()

    monkeypatch.setattr(RunningServer, "restarts", restarts)
    run("null-http", rates_rps=(30, 40))
    first, second = sorted(read_trials(tmp_path).values(), key=lambda record: record.order)
    assert (first.status, second.status) == ("failed", "completed")
    assert first.reason == f"null-http did not run without a break: {said}"
    assert len(servers) == 2


@pytest.mark.parametrize("failing", ["load generator", "server"])
def test_what_fails_for_want_of_room_ends_the_run_and_is_no_failed_trial(
    failing: str, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = (f"OSError: [Errno 28] {os.strerror(errno.ENOSPC)}",)

    def fail(*_: object, **__: object) -> None:
        kind = DriveError if failing == "load generator" else LaunchError
        raise kind("it failed.", said)

    module = trial_module if failing == "load generator" else session_module
    monkeypatch.setattr(module, "driving" if module is trial_module else "launched", fail)
    with pytest.raises(OSError, match="No space left on device"):
        run("null-http")
    assert read_trials(tmp_path) == {}
    monkeypatch.undo()
    assert run("null-http").finished == ["r1-null-http-30rps"]


def test_finished_trials_are_kept_and_only_missing_ones_are_run(run, tmp_path: Path) -> None:
    run("null-http", rates_rps=(30,))
    heard = run("null-http", rates_rps=(30, 40))
    assert heard.finished == ["r1-null-http-40rps"]
    assert set(read_trials(tmp_path)) == {"r1-null-http-30rps", "r1-null-http-40rps"}


def test_a_trial_whose_client_was_late_is_repeated_and_every_lag_is_recorded(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_module, "SEND_LAG_SHARE", 0.0)  # nobody sends at the very instant
    run("null-http")
    lags_ms = read_trials(tmp_path)["r1-null-http-30rps"].attempts_send_lag_p99_ms
    assert len(lags_ms) == 3
    assert all(lag_ms > 0 for lag_ms in lags_ms)


def test_a_trial_whose_client_was_on_time_is_run_once(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_module, "SEND_LAG_SHARE", 1000.0)
    run("null-http")
    assert len(read_trials(tmp_path)["r1-null-http-30rps"].attempts_send_lag_p99_ms) == 1


def foreign(monkeypatch: pytest.MonkeyPatch, *server_shares: float) -> None:
    """What others have of the server's core in each attempt to come."""
    shares = iter(server_shares)
    monkeypatch.setattr(trial_module, "SEND_LAG_SHARE", 1000.0)
    monkeypatch.setattr(
        trial_module, "foreign_shares", lambda *_: {"server": next(shares), "load": 0.0}
    )


def test_a_disturbed_trial_is_repeated_and_what_others_had_is_recorded_of_every_attempt(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign(monkeypatch, 0.6, 0.01)
    run("null-http")
    found = read_trials(tmp_path)["r1-null-http-30rps"].attempts_foreign_share
    assert [shares["server"] for shares in found] == [0.6, 0.01]


def test_after_a_trial_that_stayed_disturbed_nobody_waits_for_quiet(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign(monkeypatch, 0.6, 0.6, 0.6, 0.6)
    heard = run("null-http", rates_rps=(30, 40))
    n_attempts = [
        len(read_trials(tmp_path)[name].attempts_foreign_share) for name in heard.finished
    ]
    assert n_attempts == [3, 1]


def test_telemetry_covers_the_steady_state_of_server_and_load_generator(
    run, tmp_path: Path
) -> None:
    run("null-http")
    (trial,) = read_trials(tmp_path).values()
    samples = RunTables(tmp_path).telemetry(trial)
    assert samples["t_s"].min() < 0.2
    assert samples["t_s"].max() > 0.5
    # A process that is just starting or ending has next to no memory.
    running = samples[samples["t_s"].between(0, 0.5)]
    for role in ("server", "load"):
        assert samples[f"{role}_cpu_s"].dropna().is_monotonic_increasing
        assert running[f"{role}_rss_bytes"].notna().any()
        assert (running[f"{role}_rss_bytes"].dropna() > 1_000_000).all()
    assert samples["gpu_busy_pct"].isna().all()  # no GPU was given: null, never zero
    assert len(RunTables(tmp_path).requests(trial)) > 0


CAPACITY = CapacitySpec(
    start_rps=20, min_rps=10, max_rps=160, resolution=1.42, warmup_s=0.1, steady_s=0.3
)


@pytest.fixture
def meets_up_to_50_rps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real trials, judged by a law: null servers have no capacity that a test could reach."""
    monkeypatch.setattr(
        history_module, "slo_met", lambda trials, slo: trials[0][0].level.rate_rps <= 50
    )
    monkeypatch.setattr(history_module, "missed_in_doubt", lambda trials, slo: False)


SEARCHED = [f"search-null-http-{rate}rps" for rate in ("20", "40.3", "81.3", "57.3")]
CERTIFIED = ["r1-null-http-40.3rps", "r1-null-http-57.3rps"]


@pytest.mark.usefixtures("meets_up_to_50_rps")
def test_a_killed_search_goes_on_where_it_was_and_ends_as_if_it_had_not_been(
    run, tmp_path: Path
) -> None:
    settings = {"capacity": CAPACITY, "rates_rps": ()}
    with pytest.raises(KeyboardInterrupt):
        run("null-http", heard=Heard(stop_after=2), **settings)
    resumed = run("null-http", **settings)
    assert resumed.finished[:2] == SEARCHED[2:]
    found = read_trials(tmp_path)
    assert sorted(found) == sorted(SEARCHED + CERTIFIED)
    assert {trial.purpose for name, trial in found.items() if name in SEARCHED} == {"search"}
    assert sorted(trial.order for trial in found.values()) == list(range(1, len(found) + 1))
    manifest = read_json(tmp_path / "manifest.json")
    assert manifest["candidate_rates"] == {"null-http": [40.3, 57.3]}
    assert manifest["dropped"] == []


@pytest.mark.usefixtures("meets_up_to_50_rps")
def test_what_the_budget_has_no_room_for_is_dropped_and_recorded(run, tmp_path: Path) -> None:
    heard = run("null-http", capacity=CAPACITY.model_copy(update={"budget_s": 2}), repeats=2)
    assert heard.finished[0] == SEARCHED[0]
    assert len(heard.finished) < len(SEARCHED)
    assert {(what.purpose, what.repeat, what.contender) for what in heard.drops} == {
        ("search", 0, "null-http"),
        ("measurement", 1, "null-http"),
        ("measurement", 2, None),
    }
    dropped = read_json(tmp_path / "manifest.json")["dropped"]
    assert dropped == [asdict(what) for what in heard.drops]


def test_a_contender_that_does_not_start_ends_its_search_with_one_failed_probe(
    run, tmp_path: Path
) -> None:
    heard = run("broken", capacity=CAPACITY)
    assert heard.finished == ["search-broken-20rps", "r1-broken-30rps"]
    assert {trial.status for trial in read_trials(tmp_path).values()} == {"failed"}


def test_the_noise_aa_copy_is_a_contender_of_its_own_in_the_same_block(run, tmp_path: Path) -> None:
    run("null-http", aa_test="null-http")
    found = read_trials(tmp_path)
    base, aa_copy = found["r1-null-http-30rps"], found["r1-null-http-again-30rps"]
    assert (aa_copy.purpose, aa_copy.repeat, aa_copy.status) == ("noise", 1, "completed")
    assert aa_copy.schedule_digest == base.schedule_digest
    assert aa_copy.contender["server"] == base.contender["server"]


def test_every_request_has_the_length_of_its_text(run, tmp_path: Path) -> None:
    run("null-http")
    (trial,) = read_trials(tmp_path).values()
    assert set(RunTables(tmp_path).requests(trial)["n_tokens"]) == {4}


def test_a_trial_bears_the_name_of_its_run(run, tmp_path: Path) -> None:
    run("broken", run_id="mine")
    assert read_trials(tmp_path)["r1-broken-30rps"].run_id == "mine"


def test_a_resumed_run_gives_no_position_a_second_time(run, tmp_path: Path) -> None:
    run("null-http", "broken", repeats=2)
    forget_failed(tmp_path)
    run("null-http", "broken", repeats=2)
    found = read_trials(tmp_path).values()
    assert len({trial.order for trial in found}) == len(found) == 4
    kept = max(trial.order for trial in found if trial.status == "completed")
    assert all(trial.order > kept for trial in found if trial.status == "failed")
