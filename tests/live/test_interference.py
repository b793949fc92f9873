"""A real service beside a program that uses its core: the trial says so and is not used."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from analysis.read.run import load_run
from analysis.report.summary import summarise
from analysis.validity.reasons import Reason
from loadtests.host.cores import available_cores, split_cores
from loadtests.launch.artefacts import Artefacts
from loadtests.records.experiment import LoadSpec
from loadtests.spec.experiment import Experiment
from servers.confine import confined

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins and counts cores"),
    pytest.mark.skipif(len(available_cores()) < 2, reason="needs a core for the server alone"),
]

CORES = split_cores(available_cores(), 1)
BUSY = "import time; end = time.monotonic() + 60\nwhile time.monotonic() < end: pass"


@pytest.fixture
def busy_loops() -> Iterator[None]:
    """One program on every core of the server; each ends with this process, or after a minute."""
    loops = [
        subprocess.Popen(confined([sys.executable, "-c", BUSY], [core])) for core in CORES["server"]
    ]
    yield
    for loop in loops:
        loop.kill()
        loop.wait()


@pytest.mark.usefixtures("busy_loops")
def test_a_busy_program_on_the_server_s_cores_makes_a_trial_unusable_and_the_report_loud(
    artefacts: Artefacts,
    run_unheard: Callable[..., Path],
    tmp_path: Path,
) -> None:
    experiment = Experiment(
        name="t",
        reference="simulated",
        contenders=("simulated",),
        load=LoadSpec(rates_rps=(50,), warmup_s=0.3, steady_s=1.5),
        calibration=None,
    )
    summary = summarise(load_run(run_unheard(experiment, artefacts, tmp_path)))
    (trial,) = summary.trials
    (check,) = (c for c in trial.certificate if c.reason is Reason.MACHINE_DISTURBED)
    assert check.failed, check
    assert not trial.usable
    assert summary.disturbed.trial_ids == [trial.trial_id]
