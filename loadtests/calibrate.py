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

import pandas as pd

from loadtests.arrivals import Schedule, closed_schedule, poisson_schedule
from loadtests.assignment import Assignment
from loadtests.calibration import (
    WARMUP_S,
    Calibrated,
    ClientKind,
    LoadKind,
    Round,
    budgets,
    summarise,
)
from loadtests.cores import disjoint
from loadtests.drive import driving, replay_arguments, stock_arguments
from loadtests.launch import RunningServer, launched
from loadtests.manifest import describe_measurement
from loadtests.records import write_json
from loadtests.tables import read_rows
from loadtests.telemetry import Sampler, process_roles
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
    folder = results / f"calibration-{now:%Y%m%d-%H%M%S}"
    folder.mkdir(parents=True)
    content: dict[str, Any] = {
        **describe_measurement(command, cores, now),
        "rows": [asdict(row) for row in rows],
        "budgets": [asdict(budget) for budget in budgets(rows)],
    }
    write_json(folder / "calibration.json", content)
    return folder / "calibration.json"


def _calibrate_protocol(bench: Bench, say: Callable[[str], None]) -> list[Calibrated]:
    protocol = bench.server.address.protocol
    closed = LoadKind(callers=CALLERS)
    rounds: dict[ClientKind, list[Round]] = {"study": [], "stock": []}
    # Taken in turns, so that a slow spell of the machine does not fall on one of them alone.
    for number in range(1, ROUNDS + 1):
        for kind in rounds:
            say(f"{protocol}: {kind} client, {closed.label}, round {number} of {ROUNDS}")
            rounds[kind].append(_drive(bench, kind, closed, STEADY_S))
    found = [
        summarise(protocol, kind, closed, taken, bench.cores) for kind, taken in rounds.items()
    ]
    half_rps = found[0].throughput_rps / 2
    for load in (LoadKind(callers=1), LoadKind(rate_rps=LOW_RATE_RPS), LoadKind(rate_rps=half_rps)):
        say(f"{protocol}: study client, {load.label}")
        taken = [_drive(bench, "study", load, OPEN_STEADY_S)]
        found.append(summarise(protocol, "study", load, taken, bench.cores))
    return found


def _drive(bench: Bench, kind: ClientKind, load: LoadKind, steady_s: float) -> Round:
    work = Path(tempfile.mkdtemp(prefix="study-calibrate-"))
    try:
        schedule = _schedule(load, WARMUP_S + steady_s, bench)
        schedule.save(work / "schedule.npz")
        assignment = _assignment(bench, load, steady_s, work)
        arguments = stock_arguments if kind == "stock" else replay_arguments
        log = work / "locust.log"
        with driving(assignment, bench.cores["load"], log, arguments) as drive:
            roles = process_roles(bench.server.contender, bench.server.pid, drive.pid)
            with Sampler(roles, None) as sampler:
                drive.wait()
        rows, start_s = read_rows(work, WARMUP_S)
        samples = sampler.frame(start_s)
        cpu_s = {role: _used_s(samples, role, steady_s) for role in ("server", "load")}
        return Round(rows, steady_s, cpu_s)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _schedule(load: LoadKind, duration_s: float, bench: Bench) -> Schedule:
    if load.rate_rps is None:
        return closed_schedule(bench.n_texts, (bench.seed,))
    return poisson_schedule(load.rate_rps, duration_s, bench.n_texts, (bench.seed,))


def _assignment(bench: Bench, load: LoadKind, steady_s: float, work: Path) -> Assignment:
    address = bench.server.address
    return Assignment(
        protocol=address.protocol,
        host=address.host,
        port=address.port,
        mode="closed" if load.rate_rps is None else "open",
        concurrency=load.callers or 0,
        warmup_s=WARMUP_S,
        steady_s=steady_s,
        timeout_s=TIMEOUT_S,
        workers=1,
        traffic=str(bench.traffic),
        schedule=str(work / "schedule.npz"),
        out_dir=str(work),
        own_cores=disjoint(bench.cores),
    )


def _used_s(samples: pd.DataFrame, role: str, steady_s: float) -> float | None:
    """CPU seconds in the steady state, scaled up from the samples that lie within it."""
    inside = samples[samples["t_s"].between(WARMUP_S, WARMUP_S + steady_s)]
    if len(inside) < 2:
        return None
    first, last = inside.iloc[0], inside.iloc[-1]
    column = f"{role}_cpu_s"
    return float((last[column] - first[column]) / (last["t_s"] - first["t_s"]) * steady_s)
