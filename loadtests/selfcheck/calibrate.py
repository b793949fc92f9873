"""Measures the load generator itself, against servers that answer at once: `study calibrate`.

calibration.json holds created_at, command, machine, versions, git, cores (core numbers of "server"
and "load"), rows (the fields of Calibrated) and budgets (the fields of Budget).
"""

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from loadtests.generator.schedule import Schedule, closed_schedule, open_schedule
from loadtests.generator.worker_rows import read_rows
from loadtests.host.cores import disjoint
from loadtests.launch.server import RunningServer, launched
from loadtests.measure.locust_process import assign, driving, replay_arguments, stock_arguments
from loadtests.measure.telemetry import Sampler, process_roles
from loadtests.records.arrivals import Poisson
from loadtests.records.atomic import whole_or_gone
from loadtests.records.running_totals import growth_within
from loadtests.records.steady_state import steady_state
from loadtests.records.trials import Level, Phases, write_json
from loadtests.run.manifest import describe_measurement
from loadtests.selfcheck.calibration import (
    WARMUP_S,
    Calibrated,
    ClientKind,
    Round,
    budgets,
    load_label,
    summarise,
)
from servers.discovery import discover

SERVERS = ("null-http", "null-grpc")
CALLERS = 16
LOW_RATE_RPS = 400.0
ROUNDS = 2
STEADY_S = 2.0
OPEN_STEADY_S = 3.0
TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Bench:
    """A null server at work and what is needed to load it."""

    server: RunningServer
    traffic: Path
    n_texts: int
    cores: Mapping[str, Sequence[int]]
    seed: int


def calibrate(
    traffic: Path,
    n_texts: int,
    cores: Mapping[str, Sequence[int]],
    seed: int,
    say: Callable[[str], None],
) -> list[Calibrated]:
    """About a minute. For each protocol the ceilings of the study's client and of the stock one,
    then the study's client alone: with one caller, at a low rate, at half its ceiling."""
    found: list[Calibrated] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in SERVERS:
            say(f"{name}: starting")
            contender, log = discover()[name], Path(folder) / f"{name}.log"
            with launched(
                contender, model_dir=Path(folder), cores=cores["server"], log=log
            ) as server:
                bench = Bench(server, traffic, n_texts, cores, seed)
                found += _calibrate_protocol(bench, say)
    return found


def save_calibration(
    results: Path,
    rows: Sequence[Calibrated],
    cores: Mapping[str, Sequence[int]],
    command: str,
    now: datetime,
) -> Path:
    """Writes calibration.json into a folder of its own under results."""
    content: dict[str, Any] = {
        **describe_measurement(command, cores, now),
        "rows": [asdict(row) for row in rows],
        "budgets": [asdict(budget) for budget in budgets(rows)],
    }
    with whole_or_gone(results / f"calibration-{now:%Y%m%d-%H%M%S}") as (unfinished, folder):
        write_json(unfinished / "calibration.json", content)
    return folder / "calibration.json"


def _calibrate_protocol(bench: Bench, say: Callable[[str], None]) -> list[Calibrated]:
    protocol = bench.server.address.protocol
    closed = Level("closed", concurrency=CALLERS)
    rounds: dict[ClientKind, list[Round]] = {"study": [], "stock": []}
    # Taken in turns, so that a slow spell of the machine does not fall on one of them alone.
    for number in range(1, ROUNDS + 1):
        for kind in rounds:
            say(f"{protocol}: {kind} client, {load_label(closed)}, round {number} of {ROUNDS}")
            rounds[kind].append(_drive(bench, kind, closed, STEADY_S))
    found = [
        summarise(protocol, kind, closed, taken, bench.cores) for kind, taken in rounds.items()
    ]
    half_rps = found[0].throughput_rps / 2
    one_caller = Level("closed", concurrency=1)
    for level in (one_caller, *(Level("open", rate_rps=rate) for rate in (LOW_RATE_RPS, half_rps))):
        say(f"{protocol}: study client, {load_label(level)}")
        taken = [_drive(bench, "study", level, OPEN_STEADY_S)]
        found.append(summarise(protocol, "study", level, taken, bench.cores))
    return found


def _drive(bench: Bench, kind: ClientKind, level: Level, steady_s: float) -> Round:
    work, phases = Path(tempfile.mkdtemp(prefix="study-calibrate-")), Phases(WARMUP_S, steady_s)
    try:
        assignment = assign(
            bench.server.address,
            level,
            phases,
            _schedule(level, WARMUP_S + steady_s, bench),
            bench.traffic,
            work,
            own_cores=disjoint(bench.cores),
            timeout_s=TIMEOUT_S,
        )
        arguments = stock_arguments if kind == "stock" else replay_arguments
        log = work / "locust.log"
        with driving(assignment, bench.cores["load"], log, arguments) as drive:
            roles = process_roles(bench.server.contender, bench.server.pid, drive.pid)
            with Sampler(roles, None) as sampler:
                drive.wait()
        rows, start_s = read_rows(work, WARMUP_S)
        samples, end_s = sampler.frame(start_s), WARMUP_S + steady_s
        cpu_s = {
            role: growth_within(samples, f"{role}_cpu_s", WARMUP_S, end_s)
            for role in ("server", "load")
        }
        return Round(steady_state(rows, phases), cpu_s)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _schedule(level: Level, duration_s: float, bench: Bench) -> Schedule:
    if level.rate_rps is None:
        return closed_schedule(bench.n_texts, (bench.seed,))
    return open_schedule(Poisson(), level.rate_rps, duration_s, bench.n_texts, (bench.seed,))
