"""Every kind of server, unchanged, in front of a simulated device: right answers, and its label."""

from collections.abc import Callable
from pathlib import Path

import pytest

from loadtests.launch.artefacts import Artefacts, prepare
from loadtests.records.experiment import LoadSpec
from loadtests.records.run_trials import RunTables, read_trials
from loadtests.spec.experiment import Experiment, VariantSpec
from servers.device_curve import curve_named

pytestmark = pytest.mark.live

CURVE = "a100-fp16-tensorrt"
BASES = {
    "fastapi": {},
    "fastapi-tuned": {"device": "cuda", "precision": "fp16"},
    "fastapi-batched": {"device": "cuda", "precision": "fp16"},
    "litserve-patched": {"device": "cuda", "precision": "fp16"},
    "triton": {"device": "cuda", "precision": "fp16", "instances": 2},
    "hybrid": {"device": "cuda", "precision": "fp16"},
}
NAMES = tuple(f"{base}-simulated" for base in BASES)


@pytest.fixture(scope="module")
def run_dir(
    tmp_path_factory: pytest.TempPathFactory,
    study_seed: int,
    study_cache: Path,
    run_unheard: Callable[..., Path],
) -> Path:
    artefacts: Artefacts = prepare("small", None, study_seed, study_cache, engines=("replay",))
    experiment = Experiment(
        name="t",
        rounds=1,
        reference=NAMES[0],
        contenders=NAMES,
        load=LoadSpec(rates_rps=(40,), warmup_s=0.2, steady_s=0.8, request_timeout_s=3),
        calibration=None,
        variants=tuple(
            VariantSpec(
                name=f"{base}-simulated",
                base=base,
                engine="replay",
                options={**options, "curve": CURVE},
            )
            for base, options in BASES.items()
        ),
    )
    folder = tmp_path_factory.mktemp("run")
    return run_unheard(experiment, artefacts, folder / "results", left_alone=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_server_in_front_of_a_simulated_device_answers_rightly_and_says_what_is_simulated(
    run_dir: Path, name: str
) -> None:
    record = read_trials(run_dir)[f"r1-{name}-40rps"]
    label = curve_named(CURVE).label
    assert record.status == "completed", record.reason
    assert record.parity is not None
    assert record.parity.checked > 20
    assert record.parity.mismatches == 0, record.parity.example
    assert record.contender["simulated_device"] == label
    assert record.simulated_device is not None
    assert record.simulated_device.label == label
    assert record.simulated_device.passes >= 10
    assert 0 < record.simulated_device.busy_share < 1
    assert record.telemetry_sources["gpu_busy_pct"] == label
    samples = RunTables(run_dir).telemetry(record)
    assert samples["gpu_busy_pct"].max() > 0
