"""Real services on a machine that misbehaves: a program uses their core, the clock steps back."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from analysis.compare.intervals import Metric
from analysis.compare.verdicts import Verdict
from analysis.read.run import load_run
from analysis.report.summary import Summary, summarise
from analysis.validity.reasons import Reason
from loadtests.host.cores import available_cores, split_cores
from loadtests.launch.artefacts import Artefacts
from loadtests.measure.replay import Attempt, replay
from loadtests.plan.rounds import PlannedTrial
from loadtests.records.experiment import LoadSpec
from loadtests.records.run_trials import RunTables, read_trials
from loadtests.records.trials import MachineState
from loadtests.spec.experiment import Experiment, VariantSpec
from servers.confine import confined

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins and counts cores"),
    pytest.mark.skipif(len(available_cores()) < 2, reason="needs a core for the server alone"),
]

CORES = split_cores(available_cores(), 1)
BUSY = "import time; end = time.monotonic() + 60\nwhile time.monotonic() < end: pass"
ROUNDS, DISTURBED_ROUNDS = 4, (2, 3)


@contextmanager
def busy_loops() -> Iterator[None]:
    """Two programs on every core of the server; each ends with this block, or after a minute."""
    command = [sys.executable, "-c", BUSY]
    loops = [subprocess.Popen(confined(command, [core])) for core in CORES["server"] * 2]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def beside_busy_loops(trial: PlannedTrial, *edges: Any) -> Attempt:
    """The faster contender has the loops beside it in some rounds, until its slice is made again.
    What else runs on this machine, such as the suite's other worker, is not seen."""
    if trial.contender.name == "faster" and trial.repeat in DISTURBED_ROUNDS and trial.attempt == 1:
        with busy_loops():
            attempt = replay(trial, *edges)
        return replace(attempt, lag_p99_ms=0.1, machine=MachineState())
    quiet = {"foreign_share": {"server": 0.0, "load": 0.0}, "machine": MachineState()}
    return replace(replay(trial, *edges), lag_p99_ms=0.1, **quiet)


@dataclass(frozen=True)
class Misbehaved:
    folder: Path
    summary: Summary


@pytest.fixture(scope="module")
def misbehaved(
    artefacts: Artefacts,
    run_unheard: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Misbehaved:
    hours = count(1)

    def stepping_back() -> datetime:
        """An hour earlier each time it is read."""
        return datetime.now(UTC) - timedelta(hours=next(hours))

    experiment = Experiment(
        name="t",
        rounds=ROUNDS,
        reference="simulated",
        contenders=("simulated", "faster"),
        variants=(VariantSpec(name="faster", base="simulated", options={"service_ms": 2.0}),),
        load=LoadSpec(rates_rps=(50,), warmup_s=0.2, steady_s=0.8),
        calibration=None,
    )
    folder = run_unheard(
        experiment,
        artefacts,
        tmp_path_factory.mktemp("misbehaved"),
        replay=beside_busy_loops,
        now=stepping_back,
    )
    return Misbehaved(folder, summarise(load_run(folder)))


def test_two_busy_loops_on_the_server_s_core_are_named_and_change_no_verdict(
    misbehaved: Misbehaved,
) -> None:
    summary = misbehaved.summary
    beside = {f"r{number}-faster-50rps" for number in DISTURBED_ROUNDS}
    named = {
        trial.trial_id
        for trial in summary.trials
        for check in trial.certificate
        if check.reason is Reason.MACHINE_DISTURBED and check.failed
    }
    assert named == set(summary.disturbed.trial_ids) == beside
    assert not any(trial.usable for trial in summary.trials if trial.trial_id in beside)
    assert {f"{trial_id}-2" for trial_id in beside} <= {trial.trial_id for trial in summary.trials}

    (compared,) = summary.comparison
    median = compared.of(Metric.P50)
    assert median is not None
    assert median.verdict is Verdict.BETTER
    assert median.ratio == pytest.approx(2 / 5, rel=0.25)


def test_a_wall_clock_that_steps_back_changes_no_measurement(misbehaved: Misbehaved) -> None:
    trials = list(read_trials(misbehaved.folder).values())
    assert {trial.status for trial in trials} == {"completed"}
    in_order = sorted(trials, key=lambda trial: trial.order)
    assert in_order[1].started_at < in_order[0].started_at  # the clock did step back
    for trial in trials:
        rows = RunTables(misbehaved.folder).requests(trial)
        assert (rows["sent_s"] >= rows["scheduled_s"]).all()
        assert (rows["done_s"] >= rows["sent_s"]).all()
