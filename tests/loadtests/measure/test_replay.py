"""What a trial against a real server leaves: its rows, and what both sides consumed."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from loadtests.launch.artefacts import Artefacts
from loadtests.measure.replay import send_lag_p99_ms
from loadtests.records.tables import read_requests, read_telemetry
from loadtests.records.trials import read_trial
from loadtests.spec.experiment import Experiment, LoadSpec, VariantSpec
from loadtests.wire.texts import read_traffic

BROKEN = VariantSpec(name="broken", base="null-http", options={"wire": "smoke signals"})


@pytest.fixture(scope="module")
def trials(
    tmp_path_factory: pytest.TempPathFactory, traffic_file: Path, run_unheard: Callable[..., Path]
) -> Path:
    """Those of a run of null-http and of a contender that does not start."""
    experiment = Experiment(
        name="t",
        reference="null-http",
        contenders=("null-http", "broken"),
        load=LoadSpec(rates_rps=(30,), warmup_s=0.2, steady_s=0.5, request_timeout_s=2),
        calibration=None,
        variants=(BROKEN,),
    )
    folder = tmp_path_factory.mktemp("run")
    artefacts = Artefacts(folder, traffic_file, read_traffic(traffic_file), {}, {})
    return run_unheard(experiment, artefacts, folder / "results", left_alone=True) / "trials"


def test_telemetry_covers_the_steady_state_of_server_and_load_generator(trials: Path) -> None:
    samples = read_telemetry(trials / "r1-null-http-30rps")
    assert samples["t_s"].min() < 0.2
    assert samples["t_s"].max() > 0.5
    # A process that is just starting or ending has next to no memory.
    running = samples[samples["t_s"].between(0, 0.5)]
    for role in ("server", "load"):
        assert samples[f"{role}_cpu_s"].dropna().is_monotonic_increasing
        assert running[f"{role}_rss_bytes"].notna().any()
        assert (running[f"{role}_rss_bytes"].dropna() > 1_000_000).all()


def test_every_request_has_the_length_of_its_text(trials: Path) -> None:
    assert set(read_requests(trials / "r1-null-http-30rps")["n_tokens"]) == {4}


def test_why_a_contender_did_not_start_is_kept_with_the_end_of_its_log(trials: Path) -> None:
    broken = trials / "r1-broken-30rps"
    record = read_trial(broken)
    assert record.status == "failed"
    assert "broken exited with code" in str(record.reason)
    assert "smoke signals" in "\n".join(record.log_tail)
    assert sorted(path.name for path in broken.iterdir()) == ["server.log", "trial.json"]


def test_send_lag_counts_requests_of_the_steady_state_only() -> None:
    rows = pd.DataFrame(
        {
            "phase": ["warm-up", "steady", "steady"],
            "scheduled_s": [0.0, 1.0, 2.0],
            "sent_s": [0.5, 1.001, 2.004],
        }
    )
    assert send_lag_p99_ms(rows) == pytest.approx(4.0)
