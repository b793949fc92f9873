"""Fronts of the contenders of a run: their scheduling from what they declare, their costs from what
was measured."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
from scipy.optimize import nnls

from analysis.capacity.load_points import Point
from analysis.predict.compiled import at_once
from analysis.predict.path import predict_at
from analysis.predict.rates import prepare
from analysis.predict.values import Device, Front, Predicted, PredictError, Traffic
from analysis.read.contenders import ADDED_OPTIONS, ContenderFacts
from loadtests.records.front_costs import FrontCosts
from loadtests.records.tables import BUCKETS_TOKENS

N_FITTED = 20_000
"""Requests simulated for one load when costs are fitted."""

_AS_USUAL = ("length_buckets", "preferred_batch_sizes", "threads_per_instance")

ROUNDS = 4
COLDNESS_DIFFERS = 0.1
"""Range of coldness from which the cost of a cold start is told from that of any request."""

LIGHT = 0.5
"""Utilisation up to which what a request waits beside queues is read off its median."""


def front_shape(facts: ContenderFacts, n_cores: int) -> Front:
    """How a contender schedules, by its declaration, with all costs 0; PredictError for a server of
    which that is not known."""
    shape = _SHAPES.get(facts.server)
    if shape is None:
        raise PredictError(
            f"expected a contender of {', '.join(_SHAPES)}, found {facts.name} of {facts.server}: "
            "its scheduling is not modelled, leave it out."
        )
    return shape(facts, Front(facts.name, 0.0, n_cores, shared_cores=facts.device == "cpu"))


def _fastapi(facts: ContenderFacts, front: Front) -> Front:
    if facts.options.get("handlers", "published") == "published":
        return replace(front, passes="in-handler", front_cores=1)
    max_batch = _number(facts, "max_batch_size", 1)
    threads = _number(facts, "threads_per_pass", 0) or front.n_cores
    # What it does on its own core it does before a device that stands for one, too.
    alone = front.n_cores == 1 and facts.options.get("device", "cpu") == "cpu"
    padded = max_batch > 1 or facts.options.get("cuda_graphs") == "true"
    return replace(
        front,
        passes="on-loop" if alone else "apart",
        front_cores=1,
        max_batch_size=max_batch,
        instances=max(1, front.n_cores // threads),
        length_buckets=BUCKETS_TOKENS if padded else (),
        max_in_progress=_number(facts, "max_in_progress", 0),
    )


def _litserve(facts: ContenderFacts, front: Front) -> Front:
    delay_ms = float(facts.options.get("batch_timeout_ms", 0))
    return replace(
        front,
        front_cores=1,
        max_batch_size=_number(facts, "max_batch_size", 1),
        queue_delay_s=delay_ms / 1000,
        length_buckets=BUCKETS_TOKENS,
    )


def _triton(facts: ContenderFacts, front: Front) -> Front:
    for option in _AS_USUAL:
        usual = ADDED_OPTIONS[option]
        if (value := facts.options.get(option, usual)) != usual:
            raise PredictError(
                f"expected {facts.name} with {option} at its default, found {value}: what that "
                "does is not modelled, leave it out."
            )
    batches = facts.options.get("batcher", "true") == "true"
    return replace(
        front,
        max_batch_size=_number(facts, "max_batch_size", 1) if batches else 1,
        queue_delay_s=_number(facts, "max_queue_delay_us", 0) / 1e6,
        instances=_number(facts, "instances", 1),
        front_processes=2,  # tritonserver and the stub of its tokenizer
        length_buckets=BUCKETS_TOKENS,
        max_in_progress=_number(facts, "max_in_progress", 0),
    )


def _hybrid(facts: ContenderFacts, front: Front) -> Front:
    return replace(_triton(facts, front), front_processes=3)


_SHAPES = {
    "fastapi_service": _fastapi,
    "litserve_service": _litserve,
    "triton_service": _triton,
    "hybrid_gateway": _hybrid,
}


def _number(facts: ContenderFacts, option: str, default: int) -> int:
    return int(float(facts.options.get(option, default)))


def with_costs(shape: Front, costs: Front | FrontCosts) -> Front:
    """The shape with what another server of its kind was found to cost."""
    return replace(
        shape,
        front_cpu_s=costs.front_cpu_s,
        hop_cpu_s=costs.hop_cpu_s,
        cold_cpu_s=costs.cold_cpu_s,
        overhead_s=costs.overhead_s,
    )


def traffic_of(n_tokens: Sequence[int], gap_cv: float = 1.0) -> Traffic:
    """The lengths of these texts, as often as they occur."""
    if not len(n_tokens):
        raise PredictError("expected the lengths of the texts of a run, found none: measure again.")
    counted = Counter(int(tokens) for tokens in n_tokens)
    lengths = tuple(sorted(counted))
    shares = tuple(counted[length] / len(n_tokens) for length in lengths)
    return Traffic(lengths, shares, gap_cv)


@dataclass(frozen=True)
class MeasuredLoad:
    """What was measured of a contender at one arrival rate; None: not known."""

    rate_rps: float
    cpu_s: float
    gateway_cpu_s: float
    p50_s: float | None


def loads_of(points: Sequence[Point], contender: str) -> list[MeasuredLoad]:
    """The open-loop points of a contender that costs can be taken from, by rate: usable ones, at
    which it kept up."""
    found = []
    for point in sorted(points, key=lambda point: point.rate_rps or 0.0):
        metrics = point.metrics
        if point.contender != contender or not point.usable or point.saturated or metrics is None:
            continue
        cpu_s = metrics.server_cpu_s_per_1000_requests
        if point.rate_rps is None or cpu_s is None:
            continue
        gateway_s = metrics.gateway_cpu_s_per_1000_requests or 0.0
        p50_ms = metrics.latency_p50_ms
        found.append(
            MeasuredLoad(
                rate_rps=point.rate_rps,
                cpu_s=cpu_s / 1000,
                gateway_cpu_s=gateway_s / 1000,
                p50_s=None if p50_ms is None else p50_ms / 1000,
            )
        )
    return found


def fitted_front(
    shape: Front, device: Device, traffic: Traffic, loads: Sequence[MeasuredLoad]
) -> Front:
    """The shape with the costs that were measured at these loads.

    CPU: what the server used a request, less its gateway's, less the host work of the passes that
    the simulation makes at that rate. Where idle times differ in length from load to load, the
    cost of a cold start is told from it (least squares, neither below 0). overhead_s: the
    measured median less the simulated one, at light loads; so the P50 there is no prediction.
    """
    if not loads:
        raise PredictError(
            f"expected a load at which {shape.name} kept up and its CPU time was measured, found "
            "none: measure it at a lower rate."
        )
    front = replace(shape, hop_cpu_s=median(load.gateway_cpu_s for load in loads))
    for _ in range(ROUNDS):
        # Costs change how full batches are, and that what a pass costs a request.
        front = _with_costs(front, loads, _simulated(front, device, traffic, loads))
    found = _simulated(front, device, traffic, loads)
    light = [
        load.p50_s - predicted.p50_s
        for load, predicted in zip(loads, found, strict=True)
        if load.p50_s is not None
        and not predicted.saturated
        and (predicted.cpu_utilisation <= LIGHT or load is loads[0])
    ]
    return replace(front, overhead_s=max(median(light), 0.0)) if light else front


def _simulated(
    front: Front, device: Device, traffic: Traffic, loads: Sequence[MeasuredLoad]
) -> list[Predicted]:
    prepared = prepare(front, device, traffic)
    return at_once(lambda load: predict_at(prepared, load.rate_rps, N_FITTED), loads)


def _with_costs(front: Front, loads: Sequence[MeasuredLoad], found: Sequence[Predicted]) -> Front:
    """The front whose costs explain, beside the network, the CPU measured at these loads."""
    beside_s = np.array(
        [
            load.cpu_s - load.gateway_cpu_s - _network_cpu_s(front, predicted)
            for load, predicted in zip(loads, found, strict=True)
        ]
    )
    coldness = np.array([predicted.coldness for predicted in found])
    tell_cold = np.ptp(coldness) > COLDNESS_DIFFERS
    columns = np.column_stack([np.ones(len(loads)), coldness * tell_cold])
    # The noise of a mean falls with the number of requests; what counts is its share.
    weights = np.array([load.rate_rps**0.5 / load.cpu_s for load in loads])
    (request_s, cold_s), _ = nnls(columns * weights[:, None], beside_s * weights)
    return replace(front, front_cpu_s=float(request_s), cold_cpu_s=float(cold_s))


def _network_cpu_s(front: Front, predicted: Predicted) -> float:
    """CPU seconds a request of the network alone, in a simulation of this front."""
    used_s = predicted.cpu_utilisation * front.n_cores / predicted.throughput_rps
    return used_s - front.request_cpu_s - front.cold_cpu_s * predicted.coldness
