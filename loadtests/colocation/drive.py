"""One measurement of co-location: a closed loop a model, all at once, and what it leaves."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

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
from loadtests.generator.schedule import closed_schedule
from loadtests.host.cores import disjoint
from loadtests.host.nvml import Gpu
from loadtests.launch.artefacts import Artefacts
from loadtests.launch.server import RunningServer
from loadtests.measure.locust_process import (
    DriveError,
    LoadGenerator,
    Replayed,
    load_generator,
    slice_order,
)
from loadtests.measure.telemetry import Sampler
from loadtests.records.running_totals import growth_within
from loadtests.records.tables import REQUESTS_SCHEMA, TELEMETRY_SCHEMA, write_table
from loadtests.records.trials import Level, Phases

START_SPREAD_S = 1.0
"""How far apart clients that are told together to begin may do so."""

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
    """A Triton at work with what is needed to load its models, a client for each; rows go into
    folder."""

    server: RunningServer
    requests: Mapping[str, Prepared]
    clients: Mapping[str, LoadGenerator]
    spec: ColocationSpec
    place: Place
    folder: Path


def measure(bench: Bench, block: int, order: int, group: Group) -> ColocationMeasurement:
    spread_s = START_SPREAD_S if len(group) > 1 else 0.0
    with ThreadPoolExecutor(len(group)) as callers:
        roles = {"server": bench.server.pid or 0} | {m: bench.clients[m].pid for m in group}
        with Sampler(roles, bench.place.gpu) as sampler:
            found = callers.map(lambda model: _drive(bench, block, model, spread_s), group)
            replayed = dict(zip(group, found, strict=True))
    samples = sampler.frame(0.0)
    driven_s = WARMUP_S + bench.spec.seconds + spread_s
    starts_s = [each.start_monotonic_s for each in replayed.values()]
    window = common_window(starts_s, driven_s, bench.spec.seconds)
    if window is None:
        raise DriveError(
            f"expected the clients of {', '.join(group)} to begin within {spread_s:g} s of each "
            "other, found them further apart: end other programs and try again.",
            (),
        )
    return _save(bench, block, order, group, replayed, samples, window)


def _drive(bench: Bench, block: int, model: str, spread_s: float) -> Replayed:
    """A closed loop for one model, which begins as soon as its client can."""
    spec, requests = bench.spec, bench.requests[model]
    order = slice_order(
        replace(bench.server.address, foreign_wire=requests.wire),
        Level("closed", concurrency=spec.callers),
        Phases(WARMUP_S, spec.seconds + spread_s),
        own_cores=disjoint(bench.place.cores),
        timeout_s=TIMEOUT_S,
    )
    return bench.clients[model].replay(order, closed_schedule(N_REQUESTS, (spec.seed, block)))


@contextmanager
def opened_clients(
    requests: Mapping[str, Prepared], place: Place, work: Path
) -> Iterator[Mapping[str, LoadGenerator]]:
    cores = _client_cores(place)
    with ExitStack() as stack:
        yield {
            model: stack.enter_context(
                load_generator(prepared.traffic, (cores[model],), 1, work / f"{model}-locust.log")
            )
            for model, prepared in requests.items()
        }


def _client_cores(place: Place) -> dict[str, int]:
    """The same core for a model's client in every group; shared where there are too few."""
    cores = place.cores["load"]
    return {model: cores[k % len(cores)] for k, model in enumerate(MODELS)}


def _save(
    bench: Bench,
    block: int,
    order: int,
    group: Group,
    replayed: Mapping[str, Replayed],
    samples: pd.DataFrame,
    window: tuple[float, float],
) -> ColocationMeasurement:
    start_s, length_s = window
    name = f"{block}-{'+'.join(group)}"
    for model, client in replayed.items():
        folder = bench.folder / name / model
        folder.mkdir(parents=True)
        moved = in_window(client.rows, client.start_monotonic_s - start_s, length_s)
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
