"""What a trial against a real server leaves: its rows, and what both sides consumed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from loadtests.launch.artefacts import Artefacts
from loadtests.records.experiment import LoadSpec
from loadtests.records.run_trials import RunTables, read_trials
from loadtests.spec.experiment import Experiment, VariantSpec
from loadtests.wire.texts import read_traffic

BROKEN = VariantSpec(name="broken", base="null-http", options={"wire": "smoke signals"})


@pytest.fixture(scope="module")
def run_dir(
    tmp_path_factory: pytest.TempPathFactory, traffic_file: Path, run_unheard: Callable[..., Path]
) -> Path:
    """A run of null-http and of a contender that does not start."""
    experiment = Experiment(
        name="t",
        rounds=1,
        reference="null-http",
        contenders=("null-http", "broken"),
        load=LoadSpec(rates_rps=(30,), warmup_s=0.2, steady_s=0.5, request_timeout_s=2),
        calibration=None,
        variants=(BROKEN,),
    )
    folder = tmp_path_factory.mktemp("run")
    artefacts = Artefacts(folder, traffic_file, read_traffic(traffic_file), {}, {})
    return run_unheard(experiment, artefacts, folder / "results", left_alone=True)


def test_telemetry_covers_the_steady_state_of_server_and_load_generator(run_dir: Path) -> None:
    samples = RunTables(run_dir).telemetry(read_trials(run_dir)["r1-null-http-30rps"])
    assert samples["t_s"].min() < 0.2
    assert samples["t_s"].max() > 0.5
    # A process that is just starting or ending has next to no memory.
    running = samples[samples["t_s"].between(0, 0.5)]
    for role in ("server", "load"):
        assert samples[f"{role}_cpu_s"].dropna().is_monotonic_increasing
        assert running[f"{role}_rss_bytes"].notna().any()
        assert (running[f"{role}_rss_bytes"].dropna() > 1_000_000).all()


def test_every_request_has_the_length_of_its_text(run_dir: Path) -> None:
    rows = RunTables(run_dir).requests(read_trials(run_dir)["r1-null-http-30rps"])
    assert set(rows["n_tokens"]) == {4}


def test_why_a_contender_did_not_start_is_kept_with_the_end_of_its_log(run_dir: Path) -> None:
    record = read_trials(run_dir)["r1-broken-30rps"]
    assert record.status == "failed"
    assert "broken exited with code" in str(record.reason)
    assert "smoke signals" in "\n".join(record.log_tail)
    logs = run_dir / "logs"
    assert [str(path.relative_to(logs)) for path in logs.rglob("*.log")] == [
        "r1-broken-30rps/server.log"
    ]
