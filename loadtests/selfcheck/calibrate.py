"""Measures the load generator itself, against servers that answer at once: `study calibrate`.

calibration.json holds created_at, command, machine, versions, git, cores (core numbers of "server"
and "load"), rows (the fields of Calibrated) and budgets (the fields of Budget).
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from loadtests.generator.schedule import Schedule, closed_schedule, open_schedule
from loadtests.host.cores import disjoint
from loadtests.launch.server import RunningServer, launched
from loadtests.measure.locust_process import LoadGenerator, load_generator, slice_order
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
from loadtests.selfcheck.stock_client import stock_client
from servers.discovery import discover

SERVERS = ("null-http", "null-grpc")
CALLERS = 16
LOW_RATE_RPS = 400.0
ROUNDS = 2
STEADY_S = 2.0
OPEN_STEADY_S = 3.0
TIMEOUT_S = 10.0


Driven = tuple[pd.DataFrame, float, Sampler]
"""Rows, their start on the monotonic clock, and what was sampled meanwhile."""


@dataclass(frozen=True)
class Bench:
    """A null server at work and what is needed to load it."""

    server: RunningServer
    generator: LoadGenerator
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
    with (
        tempfile.TemporaryDirectory() as folder,
        load_generator(traffic, cores["load"], 1, Path(folder) / "locust.log") as generator,
    ):
        for name in SERVERS:
            say(f"{name}: starting")
            contender, log = discover()[name], Path(folder) / f"{name}.log"
            with launched(
                contender, model_dir=Path(folder), cores=cores["server"], log=log
            ) as server:
                bench = Bench(server, generator, traffic, n_texts, cores, seed)
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
    phases, end_s = Phases(WARMUP_S, steady_s), WARMUP_S + steady_s
    drive = _drive_stock if kind == "stock" else _drive_study
    rows, start_s, sampler = drive(bench, level, phases)
    samples = sampler.frame(start_s)
    cpu_s = {
        role: growth_within(samples, f"{role}_cpu_s", WARMUP_S, end_s)
        for role in ("server", "load")
    }
    return Round(steady_state(rows, phases), cpu_s)


def _drive_study(bench: Bench, level: Level, phases: Phases) -> Driven:
    order = slice_order(
        bench.server.address,
        level,
        phases,
        own_cores=disjoint(bench.cores),
        timeout_s=TIMEOUT_S,
    )
    schedule = _schedule(level, order.duration_s, bench)
    with _sampling(bench, bench.generator.pid) as sampler:
        replayed = bench.generator.replay(order, schedule)
    return replayed.rows, replayed.start_monotonic_s, sampler


def _drive_stock(bench: Bench, level: Level, phases: Phases) -> Driven:
    callers, cores = level.concurrency or 0, bench.cores["load"]
    with (
        stock_client(bench.server.address, callers, phases, bench.traffic, cores) as client,
        _sampling(bench, client.pid) as sampler,
    ):
        rows, start_s = client.rows()
    return rows, start_s, sampler


def _sampling(bench: Bench, client: int) -> Sampler:
    return Sampler(process_roles(bench.server.contender, bench.server.pid, client), None)


def _schedule(level: Level, duration_s: float, bench: Bench) -> Schedule:
    if level.rate_rps is None:
        return closed_schedule(bench.n_texts, (bench.seed,))
    return open_schedule(Poisson(), level.rate_rps, duration_s, bench.n_texts, (bench.seed,))
