"""Kernel: a front, a batcher and instances that run passes, on cores they may share."""

import numpy as np

from analysis.predict.batch_cost import IntArray, cost_of, passes_of
from analysis.predict.batcher import (
    NOW_S,
    STARTED,
    BatchRule,
    enqueue,
    form_batches,
    take_batch,
)
from analysis.predict.cluster import (
    ANSWERED,
    BATCHER,
    BATCHES,
    COLDNESS,
    CORES,
    DONE,
    END,
    EXTRA,
    FRONT_IN,
    FRONT_OUT,
    GATEWAY_IN,
    GATEWAY_OUT,
    IDLE,
    IDLE_SINCE,
    INSIDE,
    ON_CORES,
    ON_DEVICE,
    PASSES,
    PASSING,
    REQUESTS,
    RUNNING,
    WAITS_FOR_DEVICE,
    Apart,
    Cluster,
    Instances,
)
from analysis.predict.compiled import compiled
from analysis.predict.shares import FRONT, PASS, RAN_S, cores_given, until_turn_s
from analysis.predict.values import COLD_AFTER_S
from loadtests.records.percentiles import FloatArray


@compiled
def run_apart(
    setup: Apart,
    rule: BatchRule,
    cluster: Cluster,
    arrived_s: FloatArray,
    lengths: IntArray,
    pass_s: FloatArray,
    host_s: FloatArray,
    done_s: FloatArray,
) -> bool:
    """Fills done_s and the totals; False where nothing was left to happen: never."""
    n = len(arrived_s)
    totals, seconds = cluster.totals, cluster.totals.seconds
    arrived = 0
    t = look_again = 0.0
    while totals.counts[DONE] < n:
        hosts = _on_cores(cluster.instances)
        at = arrived_s[arrived] if arrived < n else np.inf
        given = cores_given(
            totals.counts[RUNNING], hosts, setup.pass_cores, setup.n_cores, totals.turn
        )
        until = min(at, look_again, _next_end(setup, cluster, given, hosts, t))
        if until == np.inf:
            return False
        _pass_time(setup, cluster, given, hosts, max(until - t, 0.0))
        t = max(until, t)
        seconds[END] = t
        _finish_tasks(setup, cluster, done_s, t)
        _finish_passes(setup, cluster, done_s, t)
        while arrived < n and arrived_s[arrived] <= t:
            _admit(setup, cluster, done_s, arrived, t)
            arrived += 1
        look_again = form_batches(rule, cluster.batcher, lengths, t)
        while _take_batch(cluster, rule.lengths_rule, lengths, pass_s, host_s):
            look_again = form_batches(rule, cluster.batcher, lengths, t)
        while _start_pass(setup, cluster):
            pass
        _start_tasks(setup, cluster)
    return True


@compiled
def _on_cores(instances: Instances) -> int:
    hosts = 0
    for k in range(len(instances.state)):
        if instances.state[k] == ON_CORES:
            hosts += 1
    return hosts


@compiled
def _next_end(
    setup: Apart, cluster: Cluster, given: tuple[float, float], hosts: int, t: float
) -> float:
    """When the first thing under way ends."""
    stations, instances, totals = cluster.stations, cluster.instances, cluster.totals
    running = totals.counts[RUNNING]
    nearest = t + until_turn_s(running, hosts, setup.n_cores, totals.turn)
    if given[FRONT] > 0:
        for k in range(running):
            nearest = min(nearest, t + stations.left_s[k] * running / given[FRONT])
    for k in range(len(instances.state)):
        if instances.state[k] == ON_CORES and given[PASS] > 0:
            nearest = min(nearest, t + instances.left_s[k] * hosts * setup.pass_cores / given[PASS])
        elif instances.state[k] == ON_DEVICE:
            nearest = min(nearest, instances.end_s[k])
    return float(nearest)


@compiled
def _pass_time(
    setup: Apart, cluster: Cluster, given: tuple[float, float], hosts: int, elapsed_s: float
) -> None:
    stations, instances, totals = cluster.stations, cluster.instances, cluster.totals
    running = totals.counts[RUNNING]
    for k in range(running):
        stations.left_s[k] -= elapsed_s * given[FRONT] / running
    passing = False
    for k in range(len(instances.state)):
        if instances.state[k] == ON_CORES:
            instances.left_s[k] -= elapsed_s * given[PASS] / (hosts * setup.pass_cores)
        passing = passing or instances.state[k] == ON_CORES or instances.state[k] == ON_DEVICE
    if running > 0 or hosts > 0:
        totals.turn[RAN_S] += elapsed_s
    totals.seconds[CORES] += elapsed_s * (given[FRONT] + given[PASS])
    totals.seconds[REQUESTS] += elapsed_s * totals.counts[INSIDE]
    if passing:
        totals.seconds[PASSING] += elapsed_s


@compiled
def _admit(setup: Apart, cluster: Cluster, done_s: FloatArray, request: int, t: float) -> None:
    counts = cluster.totals.counts
    if 0 < setup.max_inside <= counts[INSIDE]:
        done_s[request] = np.nan
        counts[DONE] += 1
        return
    if counts[INSIDE] == 0:
        seconds = cluster.totals.seconds
        cold = 1 - np.exp((seconds[IDLE_SINCE] - t) / COLD_AFTER_S)
        seconds[COLDNESS] += cold
        seconds[EXTRA] = cold * setup.cold_s
    counts[INSIDE] += 1
    _send(setup, cluster, done_s, request, GATEWAY_IN, t)


@compiled
def _send(
    setup: Apart, cluster: Cluster, done_s: FloatArray, request: int, stop: int, t: float
) -> None:
    """To this stop, or to the first one after it that takes time."""
    while stop < ANSWERED and stop != BATCHER and setup.stop_s[stop] == 0:
        stop += 1
    if stop == ANSWERED:
        done_s[request] = t
        cluster.totals.counts[DONE] += 1
        cluster.totals.counts[INSIDE] -= 1
        if cluster.totals.counts[INSIDE] == 0:
            cluster.totals.seconds[IDLE_SINCE] = t
    elif stop == BATCHER:
        enqueue(cluster.batcher, request, t)
    else:
        stations = cluster.stations
        stations.waiting[stop, stations.tail[stop]] = request
        stations.tail[stop] += 1


@compiled
def _finish_tasks(setup: Apart, cluster: Cluster, done_s: FloatArray, t: float) -> None:
    stations, counts = cluster.stations, cluster.totals.counts
    k = 0
    while k < counts[RUNNING]:
        if stations.left_s[k] > NOW_S:
            k += 1
            continue
        request, stop = stations.request[k], stations.stop[k]
        stations.running[_station_of(stop)] -= 1
        last = counts[RUNNING] - 1
        stations.request[k] = stations.request[last]
        stations.stop[k] = stations.stop[last]
        stations.left_s[k] = stations.left_s[last]
        counts[RUNNING] = last
        _send(setup, cluster, done_s, request, stop + 1, t)


@compiled
def _station_of(stop: int) -> int:
    return 0 if stop in (GATEWAY_IN, GATEWAY_OUT) else 1


@compiled
def _start_tasks(setup: Apart, cluster: Cluster) -> None:
    """As many as the stations have cores for; replies first, or they would wait for all that an
    overloaded server has still to read."""
    stations, counts, seconds = cluster.stations, cluster.totals.counts, cluster.totals.seconds
    for stop in (GATEWAY_OUT, FRONT_OUT, FRONT_IN, GATEWAY_IN):
        station = _station_of(stop)
        while (
            stations.head[stop] < stations.tail[stop]
            and stations.running[station] < setup.station_cores[station]
        ):
            slot = counts[RUNNING]
            stations.request[slot] = stations.waiting[stop, stations.head[stop]]
            stations.stop[slot] = stop
            stations.left_s[slot] = setup.stop_s[stop] + seconds[EXTRA]
            seconds[EXTRA] = 0.0
            stations.head[stop] += 1
            stations.running[station] += 1
            counts[RUNNING] += 1


@compiled
def _take_batch(
    cluster: Cluster, lengths_rule: int, lengths: IntArray, pass_s: FloatArray, host_s: FloatArray
) -> bool:
    """Gives an idle instance the first batch that waits; False where there is none of either."""
    instances, batcher, counts = cluster.instances, cluster.batcher, cluster.totals.counts
    for k in range(len(instances.state)):
        if instances.state[k] != IDLE:
            continue
        first = batcher.counts[STARTED]
        size = take_batch(batcher)
        if size == 0:
            return False
        order = batcher.order
        host = cost_of(order, first, size, lengths, lengths_rule, host_s)
        instances.state[k] = WAITS_FOR_DEVICE
        instances.first[k] = first
        instances.size[k] = size
        instances.left_s[k] = host
        instances.device_s[k] = cost_of(order, first, size, lengths, lengths_rule, pass_s) - host
        counts[BATCHES] += 1
        counts[PASSES] += passes_of(order, first, size, lengths, lengths_rule)
        return True
    return False


@compiled
def _start_pass(setup: Apart, cluster: Cluster) -> bool:
    """Starts the first batch that waits for the device, if the device takes it."""
    instances = cluster.instances
    chosen = -1
    for k in range(len(instances.state)):
        state = instances.state[k]
        if setup.one_pass and state in (ON_CORES, ON_DEVICE):
            return False
        if state == WAITS_FOR_DEVICE and (
            chosen < 0 or instances.first[k] < instances.first[chosen]
        ):
            chosen = k
    if chosen < 0:
        return False
    instances.state[chosen] = ON_CORES
    return True


@compiled
def _finish_passes(setup: Apart, cluster: Cluster, done_s: FloatArray, t: float) -> None:
    """What is left of a pass after its host part needs no core; passes that end are sent on."""
    instances = cluster.instances
    for k in range(len(instances.state)):
        if instances.state[k] == ON_CORES and instances.left_s[k] <= NOW_S:
            instances.state[k] = ON_DEVICE
            instances.end_s[k] = t + instances.device_s[k]
        if instances.state[k] == ON_DEVICE and instances.end_s[k] <= t + NOW_S:
            instances.state[k] = IDLE
            first = instances.first[k]
            for request in cluster.batcher.order[first : first + instances.size[k]]:
                _send(setup, cluster, done_s, request, FRONT_OUT, t)
