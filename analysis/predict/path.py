"""The whole path of a request simulated event by event: front, batcher, device, reply."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import numpy.typing as npt

from analysis.predict.apart import run_apart
from analysis.predict.arrivals import arrival_times, length_numbers
from analysis.predict.batch_cost import BatchCosts, IntArray
from analysis.predict.batcher import BatchRule
from analysis.predict.cluster import (
    BATCHES,
    COLDNESS,
    CORES,
    END,
    PASSES,
    PASSING,
    REQUESTS,
    Apart,
    new_cluster,
)
from analysis.predict.one_thread import OneThread, run_one_thread
from analysis.predict.rates import Prepared, prepare
from analysis.predict.values import Device, Front, Predicted, Simulated, Traffic
from loadtests.records.experiment import PERCENTILES
from loadtests.records.percentiles import FloatArray, nearest_rank
from loadtests.records.slo import SATURATED_BELOW

BoolArray = npt.NDArray[np.bool_]

N_REQUESTS = 200_000
SETTLING_SHARE = 0.1
"""Of the requests, from the first on: left out, because the simulation begins empty."""

STEADY_FROM = 0.98
"""Share of what came meanwhile that is answered in a steady state; below it a backlog grows. Those
that came are counted, so that no noise of arrivals is in it."""

SATURATED_FROM = 0.995
"""Share of the highest rate from which no steady state is claimed: the wait a simulation finds so
near to it is that of its own length."""


def predict(
    front: Front,
    device: Device,
    traffic: Traffic,
    rate_rps: float,
    n_requests: int = N_REQUESTS,
    seed: int = 1,
) -> Predicted:
    """A front before a device at one arrival rate; the same seed gives the same figures.

    What is left out: jitter of a pass and of the machine, the interpreter's lock between the front
    and the host part of a pass, transfers that overlap with passes, the cost of a refusal.
    """
    return predict_at(prepare(front, device, traffic), rate_rps, n_requests, seed)


def predict_at(
    prepared: Prepared, rate_rps: float, n_requests: int = N_REQUESTS, seed: int = 1
) -> Predicted:
    """The same where the device has been read already."""
    arrived_s = arrival_times(prepared.traffic, rate_rps, n_requests, seed)
    numbers = length_numbers(prepared.traffic, n_requests, seed)
    found = simulated(prepared, arrived_s, numbers)
    return _summary(prepared, [found], [_settled(found)], rate_rps)


def predict_schedule(
    prepared: Prepared,
    arrived_s: Sequence[float] | FloatArray,
    numbers: Sequence[int] | IntArray,
) -> Predicted:
    """The same for given arrivals (ascending); numbers: which of the traffic's lengths each has."""
    times_s = np.asarray(arrived_s, dtype=float)
    rate_rps = (len(times_s) - 1) / float(times_s[-1] - times_s[0])
    found = simulated(prepared, times_s, np.asarray(numbers, dtype=np.int64))
    return _summary(prepared, [found], [_settled(found)], rate_rps)


@dataclass(frozen=True)
class Schedule:
    """A slice as it is planned: arrivals from an empty server on (ascending), which of the
    traffic's lengths each has, and which requests count (those of the steady state)."""

    arrived_s: FloatArray
    numbers: IntArray
    counted: BoolArray


def predict_slices(prepared: Prepared, rate_rps: float, schedules: Sequence[Schedule]) -> Predicted:
    """The slices of one load, replayed as they are measured and their requests merged: what short
    slices show of a queue, and no noise of arrivals between prediction and measurement."""
    found = [simulated(prepared, each.arrived_s, each.numbers) for each in schedules]
    counted = [each.counted for each in schedules]
    return _summary(prepared, found, counted, rate_rps, SATURATED_BELOW)


def simulated(prepared: Prepared, arrived_s: FloatArray, numbers: IntArray) -> Simulated:
    """Every request of one simulation."""
    front, costs = prepared.front, prepared.costs
    lengths = costs.class_of[numbers]
    run = _apart if front.passes == "apart" else _one_thread
    return run(front, costs, arrived_s, lengths)


def _one_thread(
    front: Front, costs: BatchCosts, arrived_s: FloatArray, lengths: IntArray
) -> Simulated:
    cpu_s = front.request_cpu_s
    setup = OneThread(
        before_s=cpu_s * (1 - front.reply_share),
        after_s=cpu_s * front.reply_share,
        in_handler=front.passes == "in-handler",
        max_batch=front.max_batch_size,
        rule=costs.lengths_rule,
        max_in_progress=front.max_in_progress,
        cold_s=front.cold_cpu_s,
    )
    done_s = np.empty(len(arrived_s))
    batches, passes, batched, pass_s, host_s, coldness, end_s = run_one_thread(
        setup, arrived_s, lengths, costs.pass_s, costs.host_s, done_s
    )
    beside_s = batched * cpu_s + coldness * front.cold_cpu_s
    inside_s = float(np.nansum(done_s - arrived_s))
    return Simulated(
        arrived_s=arrived_s,
        done_s=done_s + front.overhead_s,
        n_batches=batches,
        n_passes=passes,
        n_batched=batched,
        cores_busy=(host_s * front.pass_cores + beside_s) / end_s,
        device_busy=pass_s / end_s,
        in_progress=inside_s / end_s,
        coldness=coldness / batched,
    )


def _apart(front: Front, costs: BatchCosts, arrived_s: FloatArray, lengths: IntArray) -> Simulated:
    before, after = 1 - front.reply_share, front.reply_share
    hop_s, own_s = front.hop_cpu_s, front.front_cpu_s
    stations = np.array([1, front.cores_of_front], dtype=np.int64)
    setup = Apart(
        n_cores=float(front.n_cores),
        pass_cores=front.pass_cores,
        station_cores=stations,
        stop_s=np.array([hop_s * before, own_s * before, 0.0, own_s * after, hop_s * after]),
        one_pass=not front.shared_cores,
        max_inside=front.max_in_progress,
        cold_s=front.cold_cpu_s,
    )
    cluster = new_cluster(
        len(arrived_s), front.instances, int(stations.sum()), front.front_processes
    )
    done_s = np.empty(len(arrived_s))
    rule = batch_rule(front, costs.lengths_rule)
    tables = costs.pass_s, costs.host_s
    ended = run_apart(setup, rule, cluster, arrived_s, lengths, *tables, done_s)
    assert ended  # each request inside is a task, in a queue, or in a pass, and all of these end
    counts, seconds = cluster.totals.counts, cluster.totals.seconds
    end_s = float(seconds[END])
    answered = int(np.count_nonzero(~np.isnan(done_s)))
    return Simulated(
        arrived_s=arrived_s,
        done_s=done_s + front.overhead_s,
        n_batches=int(counts[BATCHES]),
        n_passes=int(counts[PASSES]),
        n_batched=answered,
        cores_busy=float(seconds[CORES]) / end_s,
        device_busy=float(seconds[PASSING]) / end_s,
        in_progress=float(seconds[REQUESTS]) / end_s,
        coldness=float(seconds[COLDNESS]) / answered,
    )


def batch_rule(front: Front, lengths_rule: int) -> BatchRule:
    """The front's settings as the batcher reads them."""
    preferred = front.preferred_sizes or (front.max_batch_size,)
    is_preferred = np.zeros(front.max_batch_size + 1, dtype=np.bool_)
    is_preferred[list(preferred)] = True
    return BatchRule(
        max_batch=front.max_batch_size,
        delay_s=front.queue_delay_s,
        largest_preferred=max(preferred),
        is_preferred=is_preferred,
        lengths_rule=lengths_rule,
        slots=2 * front.instances,
    )


def _settled(found: Simulated) -> BoolArray:
    n = len(found.arrived_s)
    return np.arange(n) >= int(n * SETTLING_SHARE)


def _summary(
    prepared: Prepared,
    found: Sequence[Simulated],
    counted: Sequence[BoolArray],
    rate_rps: float,
    steady_from: float = STEADY_FROM,
) -> Predicted:
    """What simulations say together of the requests that are counted in each."""
    latency_s = np.concatenate(
        [(run.done_s - run.arrived_s)[ours] for run, ours in zip(found, counted, strict=True)]
    )
    refused = np.isnan(latency_s)
    latency_s = latency_s[~refused]
    throughput_rps, offered_rps = _rates_rps(found, counted)
    p50_s, p90_s, p95_s, p99_s, p99_9_s = (nearest_rank(latency_s, p) or 0.0 for p in PERCENTILES)
    n_batched = sum(run.n_batched for run in found)
    return Predicted(
        rate_rps=rate_rps,
        throughput_rps=throughput_rps,
        p50_s=p50_s,
        p90_s=p90_s,
        p95_s=p95_s,
        p99_s=p99_s,
        p99_9_s=p99_9_s,
        mean_s=float(latency_s.mean()) if len(latency_s) else 0.0,
        mean_batch=n_batched / max(sum(run.n_batches for run in found), 1),
        mean_pass=n_batched / max(sum(run.n_passes for run in found), 1),
        device_busy=fmean(run.device_busy for run in found),
        device_share_of_best=throughput_rps / prepared.best_rps,
        cpu_utilisation=fmean(run.cores_busy for run in found) / prepared.front.n_cores,
        refused_ratio=float(refused.mean()),
        saturated=rate_rps >= SATURATED_FROM * prepared.highest_rate_rps
        or throughput_rps < steady_from * offered_rps,
        by="simulation",
        coldness=fmean(run.coldness for run in found),
    )


def _rates_rps(found: Sequence[Simulated], counted: Sequence[BoolArray]) -> tuple[float, float]:
    """Answered and arrived per second between the first and the last request counted."""
    answered = came = 0
    seconds = 0.0
    for run, ours in zip(found, counted, strict=True):
        start_s, end_s = run.arrived_s[ours][0], run.arrived_s[ours][-1]
        answered += int(np.count_nonzero((run.done_s > start_s) & (run.done_s <= end_s)))
        came += int(np.count_nonzero(ours)) - 1
        seconds += float(end_s - start_s)
    return answered / seconds, came / seconds
