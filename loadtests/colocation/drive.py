"""One measurement of co-location: a closed loop a model, all at once, and what it leaves."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from loadtests.colocation.plan import (
    MODELS,
    WARMUP_S,
    ColocationMeasurement,
    ColocationSpec,
    Group,
    common_window,
)
from loadtests.colocation.requests import N_REQUESTS, Prepared
from loadtests.generator.assignment import Assignment
from loadtests.generator.schedule import closed_schedule
from loadtests.generator.worker_rows import read_rows
from loadtests.host.cores import disjoint
from loadtests.host.nvml import Gpu
from loadtests.launch.artefacts import Artefacts
from loadtests.launch.server import RunningServer
from loadtests.measure.locust_process import DriveError, assign, driving
from loadtests.measure.telemetry import Sampler
from loadtests.records.running_totals import growth_within
from loadtests.records.tables import REQUESTS_SCHEMA, TELEMETRY_SCHEMA, write_table
from loadtests.records.trials import Level, Phases

START_SPREAD_S = 2.0
"""How far apart clients that are started together may begin; doubled where it did not do."""

ATTEMPTS = 3
TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Place:
    """Where it is measured: artefacts, core numbers by role, the GPU, and how to say what
    happens."""

    artefacts: Artefacts
    cores: Mapping[str, tuple[int, ...]]
    gpu: Gpu | None
    say: Callable[[str], None]


@dataclass(frozen=True)
class Bench:
    """A Triton at work with what is needed to load its models; rows go into folder."""

    server: RunningServer
    requests: Mapping[str, Prepared]
    spec: ColocationSpec
    place: Place
    folder: Path


def measure(bench: Bench, block: int, order: int, group: Group) -> ColocationMeasurement:
    for attempt in range(ATTEMPTS):
        spread_s = START_SPREAD_S * 2**attempt if len(group) > 1 else 0.0
        with TemporaryDirectory(prefix="study-colocation-") as work:
            samples = _drive(bench, block, group, spread_s, Path(work))
            rows = {model: read_rows(Path(work) / model, 0.0) for model in group}
        driven_s = WARMUP_S + bench.spec.seconds + spread_s
        window = common_window([start for _, start in rows.values()], driven_s, bench.spec.seconds)
        if window:
            return _save(bench, block, order, group, rows, samples, window)
    raise DriveError(
        f"expected the clients of {', '.join(group)} to begin within {spread_s:g} s of each "
        f"other, found them further apart {ATTEMPTS} times: end other programs and try again.",
        (),
    )


def _drive(bench: Bench, block: int, group: Group, spread_s: float, work: Path) -> pd.DataFrame:
    """One closed loop a model, all at once; returns what was sampled, t_s on the monotonic
    clock."""
    cores = _client_cores(bench.place)
    with ExitStack() as stack:
        drives = {}
        for model in group:
            (work / model).mkdir()
            assignment = _assignment(bench, model, block, spread_s, work / model)
            drives[model] = stack.enter_context(
                driving(assignment, (cores[model],), work / model / "locust.log")
            )
        roles = {"server": bench.server.pid or 0} | {m: drive.pid for m, drive in drives.items()}
        sampler = stack.enter_context(Sampler(roles, bench.place.gpu))
        for drive in drives.values():
            drive.wait()
    return sampler.frame(0.0)


def _client_cores(place: Place) -> dict[str, int]:
    """The same core for a model's client in every group; shared where there are too few."""
    cores = place.cores["load"]
    return {model: cores[k % len(cores)] for k, model in enumerate(MODELS)}


def _assignment(bench: Bench, model: str, block: int, spread_s: float, work: Path) -> Assignment:
    spec, requests = bench.spec, bench.requests[model]
    return assign(
        replace(bench.server.address, foreign_wire=requests.wire),
        Level("closed", concurrency=spec.callers),
        Phases(WARMUP_S, spec.seconds + spread_s),
        closed_schedule(N_REQUESTS, (spec.seed, block)),
        requests.traffic,
        work,
        own_cores=disjoint(bench.place.cores),
        timeout_s=TIMEOUT_S,
    )


def _save(
    bench: Bench,
    block: int,
    order: int,
    group: Group,
    rows: Mapping[str, tuple[pd.DataFrame, float]],
    samples: pd.DataFrame,
    window: tuple[float, float],
) -> ColocationMeasurement:
    start_s, length_s = window
    name = f"{block}-{'+'.join(group)}"
    for model, (frame, client_start_s) in rows.items():
        folder = bench.folder / name / model
        folder.mkdir(parents=True)
        moved = in_window(frame, client_start_s - start_s, length_s)
        write_table(folder / "requests.parquet", moved, REQUESTS_SCHEMA)
    samples["t_s"] -= start_s
    write_table(bench.folder / name / "telemetry.parquet", samples, TELEMETRY_SCHEMA)
    cores = _client_cores(bench.place)
    return ColocationMeasurement(
        block=block,
        order=order,
        group=group,
        window_s=length_s,
        client_cpu_s={
            model: growth_within(samples, f"{model}_cpu_s", 0.0, length_s) for model in group
        },
        client_core={model: cores[model] for model in group},
        server_cpu_s=growth_within(samples, "server_cpu_s", 0.0, length_s),
        folder=name,
    )


def in_window(rows: pd.DataFrame, later_s: float, window_s: float) -> pd.DataFrame:
    """The rows with their times counted from the start of a window, later_s after their own."""
    times = ["scheduled_s", "sent_s", "done_s"]
    moved = rows.assign(**{name: rows[name] + later_s for name in times})
    steady = moved["scheduled_s"].between(0.0, window_s, inclusive="left")
    return moved.assign(phase=np.where(steady, "steady", "warm-up"))
