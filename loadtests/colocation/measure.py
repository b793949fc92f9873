"""Drives co-located models in one Triton, alone and together: `study colocate`.

A closed loop: each model has the same number of callers in every group, each of whom asks again
when it is answered. So no group is overloaded, every model always has work waiting, and what its
callers get in less of is what it loses. In an open loop at a share of each solo rate the three
together could ask for more than the device has, and latencies would tell how long one watched.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from loadtests.colocation.drive import Bench, Place, measure, opened_clients
from loadtests.colocation.plan import (
    MODELS,
    WARMUP_S,
    ColocationMeasurement,
    ColocationSpec,
    facts_of_colocated_models,
    planned,
)
from loadtests.colocation.requests import N_REQUESTS, inputs_by_model, prepare_requests
from loadtests.host.cores import running_on
from loadtests.launch.server import LaunchError, launched
from loadtests.records.atomic import whole_or_gone
from loadtests.records.trials import write_json
from loadtests.run.manifest import describe_measurement
from servers.discovery import Contender
from servers.triton_service.colocated.sizes import colocated_models, network_of

OVERHEAD_S = 3.0
"""Start and end of the clients of one measurement, before the first shows how long they take."""


def colocate(
    triton: Contender,
    spec: ColocationSpec,
    place: Place,
    results: Path,
    command: str,
    now: datetime,
) -> Path:
    """A new folder of results with colocation.json and the rows of every measurement.

    Raises LaunchError, ProbeError or DriveError; then, and when it is stopped, nothing is left.
    """
    _require_gpu(spec, place)
    contender = spec.contender(triton)
    named = results / f"colocation-{now:%Y%m%d-%H%M%S}"
    with whole_or_gone(named) as (unfinished, folder), running_on(place.cores["load"]):
        with _loaded_triton(contender, spec, place, unfinished) as bench:
            measured = _measure_all(bench)
            facts = facts_of_colocated_models(bench.server.log.read_text(errors="replace"))
        record = {
            **describe_measurement(command, place.cores, now),
            "model": dict(place.artefacts.model),
            "contender": asdict(contender),
            "colocated_models": facts,
            "colocated_model_sizes": {
                model.name: network_of(model)[0] for model in colocated_models(spec.size)
            },
            "settings": asdict(spec)
            | {"colocated_models": spec.size, "warmup_s": WARMUP_S, "requests": N_REQUESTS},
            "answers": {name: found.answers for name, found in bench.requests.items()},
            "measured": [asdict(taken) for taken in measured],
        }
        write_json(unfinished / "colocation.json", record)
    return folder


def _require_gpu(spec: ColocationSpec, place: Place) -> None:
    if spec.device == "cuda" and place.gpu is None:
        raise LaunchError(
            "expected an NVIDIA GPU for --device cuda, found none through NVML: "
            "run on a host with an NVIDIA driver, or take --device cpu."
        )


@contextmanager
def _loaded_triton(
    contender: Contender, spec: ColocationSpec, place: Place, folder: Path
) -> Iterator[Bench]:
    inputs = inputs_by_model(place.artefacts, colocated_models(spec.size), spec.seed)
    place.say("starting Triton with three models")
    with TemporaryDirectory(prefix="study-colocation-") as work, ExitStack() as stack:
        server = stack.enter_context(
            launched(
                contender,
                model_dir=place.artefacts.model_dir,
                cores=place.cores["server"],
                log=folder / "server.log",
            )
        )
        address = server.address
        requests = {
            model: prepare_requests(
                model, inputs[model], address.host, address.port, Path(work) / model
            )
            for model in MODELS
        }
        clients = stack.enter_context(opened_clients(requests, place, Path(work)))
        yield Bench(server, requests, clients, spec, place, folder)


def _measure_all(bench: Bench) -> list[ColocationMeasurement]:
    plan, spec = planned(bench.spec), bench.spec
    began_s, found = time.monotonic(), list[ColocationMeasurement]()
    for order, (block, group) in enumerate(plan):
        each_s = (
            (time.monotonic() - began_s) / order if order else spec.seconds + WARMUP_S + OVERHEAD_S
        )
        minutes, seconds = divmod(round(each_s * (len(plan) - order)), 60)
        bench.place.say(
            f"block {block} of {spec.repeats}: {' + '.join(group)}; "
            f"about {minutes}:{seconds:02d} left"
        )
        found.append(measure(bench, block, order, group))
        if broken := bench.server.broken():
            raise LaunchError(broken, bench.server.log_tail())
    return found
