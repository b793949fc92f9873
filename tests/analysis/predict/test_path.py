"""The simulated path of a request against laws that hold whatever its details."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.predict.arrivals import arrival_times, length_numbers
from analysis.predict.bulk import bulk_queue
from analysis.predict.formulas import md1_latency_s, mg1_mean_wait_s
from analysis.predict.path import (
    Schedule,
    predict,
    predict_schedule,
    predict_slices,
    simulated,
)
from analysis.predict.rates import prepare
from analysis.predict.values import Front, PredictError, Traffic

from .devices import LinearDevice

ONE = Traffic.of_one_length(32)
MIXED = Traffic((10, 20, 50, 100), (0.4, 0.3, 0.2, 0.1))
BUCKETS = (16, 32, 64, 128)
GPU = LinearDevice(fixed_s=0.002, item_s=0.0002, host_share=0.2)
TRITON = Front("triton", 0.0002, n_cores=4, max_batch_size=16)
SMALL = Front("small", 0.0004, max_batch_size=16, shared_cores=True)
GATEWAY = replace(TRITON, name="gateway", hop_cpu_s=0.0004, front_cores=2)
THREAD = Front("thread", 0.0004, passes="on-loop", max_batch_size=8, shared_cores=True)
PUBLISHED = replace(THREAD, name="published", passes="in-handler", max_batch_size=1)
FRONTS = pytest.mark.parametrize(
    "front", [TRITON, SMALL, GATEWAY, THREAD, PUBLISHED], ids=lambda front: front.name
)


def simulate(front, device, traffic, rate_rps, n=20_000, seed=1):
    prepared = prepare(front, device, traffic)
    arrived_s = arrival_times(traffic, rate_rps, n, seed)
    return prepared, simulated(prepared, arrived_s, length_numbers(traffic, n, seed))


@FRONTS
@pytest.mark.parametrize("load", [0.3, 0.8, 1.5])
def test_every_request_is_answered_once_and_after_the_work_it_takes(front, load):
    prepared, found = simulate(front, GPU, ONE, 400.0 * load)
    assert not np.isnan(found.done_s).any()
    least_s = front.request_cpu_s + prepared.costs.pass_s[0, 1]
    assert (found.done_s - found.arrived_s).min() >= least_s - 1e-8
    assert found.n_batched == len(found.arrived_s)


@FRONTS
@pytest.mark.parametrize("load", [0.3, 0.9])
def test_cores_are_busy_for_the_work_that_came(front, load):
    """The utilisation law."""
    prepared = prepare(front, GPU, ONE)
    rate = load * prepared.highest_rate_rps
    _, found = simulate(front, GPU, ONE, rate)
    mean_batch = found.n_batched / found.n_batches
    pass_s = GPU.fixed_s / mean_batch + GPU.item_s
    host_s = pass_s * (1.0 if front.shared_cores else GPU.host_share)
    measured_rps = len(found.arrived_s) / found.done_s.max()
    expected = measured_rps * (front.request_cpu_s + host_s * front.pass_cores)
    assert found.cores_busy == pytest.approx(expected, rel=0.005)


@pytest.mark.parametrize("front", [TRITON, SMALL, GATEWAY], ids=lambda front: front.name)
@pytest.mark.parametrize("load", [0.4, 0.9])
def test_requests_inside_are_those_that_came_times_how_long_they_stay(front, load):
    """Little's law: the average over time by the simulation's clock, the stay by its answers."""
    rate = load * prepare(front, GPU, ONE).highest_rate_rps
    _, found = simulate(front, GPU, ONE, rate)
    stay_s = (found.done_s - found.arrived_s).sum() / found.done_s.max()
    assert found.in_progress == pytest.approx(stay_s, rel=1e-6)


@pytest.mark.parametrize("passes", ["apart", "in-handler", "on-loop"])
@pytest.mark.parametrize(("load", "n_requests"), [(0.3, 100_000), (0.7, 300_000), (0.9, 1_500_000)])
def test_one_pass_at_a_time_without_a_front_is_md1(passes, load, n_requests):
    front = Front("bare", 0.0, passes=passes, shared_cores=True)
    device = LinearDevice(item_s=0.004)
    found = predict(front, device, ONE, load / 0.004, n_requests=n_requests)
    assert found.p50_s == pytest.approx(md1_latency_s(load / 0.004, 0.004, 50), rel=0.02)
    assert found.p99_s == pytest.approx(md1_latency_s(load / 0.004, 0.004, 99), rel=0.05)


def test_texts_of_several_lengths_are_mg1():
    front = Front("bare", 0.0, passes="in-handler", shared_cores=True)
    device = LinearDevice(token_s=1e-4)
    mean_s = sum(t * s for t, s in zip(MIXED.lengths_tokens, MIXED.shares, strict=True)) * 1e-4
    services_s = [tokens * 1e-4 for tokens in MIXED.lengths_tokens]
    found = predict(front, device, MIXED, 0.7 / mean_s, n_requests=400_000)
    expected = mg1_mean_wait_s(0.7 / mean_s, services_s, MIXED.shares) + mean_s
    assert found.mean_s == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("load", [0.2, 0.6, 0.9])
def test_a_batcher_without_a_front_is_a_bulk_queue(load):
    front = Front("bare", 0.0, max_batch_size=8)
    device = LinearDevice(fixed_s=0.003, item_s=0.0005)
    rate = load * 8 / 0.007
    exact = bulk_queue(rate, lambda size: device.pass_s(size, 32), 8)
    found = predict(front, device, ONE, rate, n_requests=400_000)
    assert found.mean_batch == pytest.approx(exact.mean_batch, rel=0.01)
    assert found.mean_s == pytest.approx(exact.mean_latency_s, rel=0.02)
    assert found.device_busy == pytest.approx(exact.utilisation, rel=0.01)


@pytest.mark.parametrize("front", [TRITON, SMALL, GATEWAY, PUBLISHED], ids=lambda front: front.name)
@pytest.mark.parametrize("load", [1.3, 10])
def test_beyond_the_highest_rate_as_much_is_answered_as_that_rate(front, load):
    highest = prepare(front, GPU, ONE).highest_rate_rps
    found = predict(front, GPU, ONE, load * highest, n_requests=50_000)
    assert found.saturated
    # On one core that front and passes share half and half, batches are not quite full.
    least = 0.88 if front is SMALL else 0.97
    assert least * highest < found.throughput_rps < 1.03 * highest


def test_a_thread_that_reads_all_that_comes_before_it_serves_answers_less_of_more():
    highest = prepare(THREAD, GPU, ONE).highest_rate_rps
    rates = [predict(THREAD, GPU, ONE, highest * u, 50_000).throughput_rps for u in (0.95, 1.3, 2)]
    assert rates[0] == pytest.approx(0.95 * highest, rel=0.02)
    assert rates[0] > rates[1] > 1.5 * rates[2]


@FRONTS
def test_just_below_the_highest_rate_all_is_answered(front):
    rate = (0.88 if front is SMALL else 0.93) * prepare(front, GPU, ONE).highest_rate_rps
    found = predict(front, GPU, ONE, rate, n_requests=100_000)
    assert not found.saturated
    assert found.throughput_rps == pytest.approx(rate, rel=0.02)


def test_batches_are_full_where_more_comes_than_is_served():
    found = predict(replace(TRITON, front_cpu_s=0.0), GPU, ONE, 20_000, n_requests=100_000)
    assert found.mean_batch == pytest.approx(16, rel=0.02)
    assert found.device_share_of_best == pytest.approx(
        (16 / GPU.pass_s(16, 32)) / (128 / GPU.pass_s(128, 32)), rel=0.05
    )


def test_a_queue_delay_is_a_tax_at_low_load_and_none_at_high_load():
    delayed = replace(TRITON, queue_delay_s=0.005)
    lone, lone_delayed = (predict(f, GPU, ONE, 5, n_requests=2_000) for f in (TRITON, delayed))
    assert lone_delayed.p50_s - lone.p50_s == pytest.approx(0.005, abs=1e-6)
    full, full_delayed = (predict(f, GPU, ONE, 3_000, 50_000) for f in (TRITON, delayed))
    assert full_delayed.p50_s < 1.2 * full.p50_s
    assert full_delayed.mean_batch >= full.mean_batch


def test_refused_are_those_beyond_the_bound_and_latency_stays_below_it():
    bounded = replace(TRITON, max_in_progress=32)
    found = predict(bounded, GPU, ONE, 6_000, n_requests=50_000)
    highest = prepare(bounded, GPU, ONE).highest_rate_rps
    assert found.refused_ratio == pytest.approx(1 - found.throughput_rps / 6_000, abs=0.01)
    assert found.refused_ratio > 0.3
    assert found.p99_9_s < 32 / found.throughput_rps * 1.5
    assert found.throughput_rps <= highest * 1.01


def test_nobody_is_refused_where_the_bound_is_out_of_reach():
    found = predict(replace(THREAD, max_in_progress=128), GPU, ONE, 500, n_requests=20_000)
    assert found.refused_ratio == 0


def test_a_gateway_costs_what_it_takes_of_the_cores():
    near, far = (predict(f, GPU, ONE, 100, n_requests=20_000) for f in (TRITON, GATEWAY))
    assert far.p50_s - near.p50_s == pytest.approx(0.0004, rel=0.1)
    assert prepare(GATEWAY, GPU, ONE).highest_rate_rps < prepare(TRITON, GPU, ONE).highest_rate_rps


def test_instances_of_one_device_take_turns():
    device = LinearDevice(fixed_s=0.004, host_share=0.5)
    four = replace(TRITON, max_batch_size=1, front_cpu_s=0.0, instances=4)
    found = predict(four, device, ONE, 2_000, 20_000)
    assert found.throughput_rps == pytest.approx(250, rel=0.02)
    assert found.device_busy == pytest.approx(1, rel=0.01)


def test_instances_on_the_servers_own_cores_run_side_by_side():
    device = LinearDevice(fixed_s=0.004)
    four = replace(SMALL, n_cores=4, max_batch_size=1, front_cpu_s=0.0, instances=4)
    found = predict(four, device, ONE, 2_000, 20_000)
    assert found.throughput_rps == pytest.approx(1_000, rel=0.02)
    assert found.cpu_utilisation == pytest.approx(1, rel=0.02)


def test_a_batch_of_several_lengths_is_a_pass_for_each():
    padded = replace(TRITON, length_buckets=BUCKETS)
    found = predict(padded, GPU, MIXED, 1_000, n_requests=50_000)
    assert 1 < found.mean_pass < found.mean_batch
    alike = predict(replace(padded, mixed_batches=False), GPU, MIXED, 1_000, n_requests=50_000)
    assert alike.mean_batch == pytest.approx(alike.mean_pass)
    assert alike.mean_batch < found.mean_batch


def test_without_buckets_a_batch_costs_what_its_longest_text_costs():
    device = LinearDevice(token_s=1e-5)
    _, found = simulate(replace(TRITON, front_cpu_s=0.0), device, MIXED, 20_000, n=16_000)
    # 16 of these lengths hold one of 100 tokens in 4 batches of 5.
    seconds = found.device_busy * found.done_s.max()
    assert seconds / 16_000 > 0.75 * 100 * 1e-5


def test_on_one_shared_core_what_comes_during_a_pass_delays_it():
    device = LinearDevice(item_s=0.01)
    front = replace(SMALL, max_batch_size=1, reply_share=0.0)
    prepared = prepare(front, device, ONE)
    found = simulated(prepared, np.array([0.0, 0.005]), np.array([0, 0]))
    # 0.4 ms, then 10 ms of the first pass, in which the second request takes 0.4 ms of the core.
    assert found.done_s == pytest.approx([0.0108, 0.0208], abs=1e-6)


def test_a_thread_that_runs_passes_parses_what_came_after_the_pass():
    device = LinearDevice(item_s=0.01)
    front = replace(THREAD, reply_share=0.0)
    found = simulated(prepare(front, device, ONE), np.array([0.0, 0.005]), np.array([0, 0]))
    assert found.done_s == pytest.approx([0.0104, 0.0208], abs=1e-9)


def test_given_arrivals_are_replayed():
    arrived_s = np.arange(1_000) * 0.01
    found = predict_schedule(prepare(TRITON, GPU, ONE), arrived_s, np.zeros(1_000, dtype=int))
    assert found.rate_rps == pytest.approx(100)
    assert found.p99_s == pytest.approx(found.p50_s)
    assert found.p50_s == pytest.approx(0.0002 + 0.0022)


def test_arrivals_that_bunch_wait_longer():
    rate = 1_500
    even, poisson, bunched = (
        predict(TRITON, GPU, replace(ONE, gap_cv=cv), rate, n_requests=50_000).p99_s
        for cv in (0.0, 1.0, 3.0)
    )
    assert even < poisson < bunched


def test_the_same_seed_gives_the_same_prediction_and_another_one_nearly():
    first, again, other = (
        predict(TRITON, GPU, MIXED, 800, n_requests=50_000, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert other != first
    assert other.p99_s == pytest.approx(first.p99_s, rel=0.1)


def test_time_outside_of_cores_and_device_is_added_to_every_latency():
    near, far = (
        predict(f, GPU, ONE, 500, n_requests=5_000)
        for f in (TRITON, replace(TRITON, overhead_s=0.003))
    )
    assert far.p50_s - near.p50_s == pytest.approx(0.003)
    assert far.p99_9_s - near.p99_9_s == pytest.approx(0.003)


def test_a_percentile_that_is_not_stated_is_refused():
    found = predict(TRITON, GPU, ONE, 100, n_requests=2_000)
    assert found.latency_s(99) == found.p99_s
    with pytest.raises(PredictError, match="expected one of the percentiles .*, found 98"):
        found.latency_s(98)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"front_cpu_s": -1.0}, "times of 0 s or more"),
        ({"n_cores": 0}, "at least one core"),
        ({"max_batch_size": 0}, "a batch of 1 or more"),
        ({"preferred_sizes": (4, 64)}, "preferred sizes of 1 to 16"),
        ({"reply_share": 1.5}, "reply_share from 0 to 1"),
    ],
)
def test_a_front_that_cannot_be_is_refused(changes, problem):
    with pytest.raises(PredictError, match=f"front triton: expected {problem}"):
        replace(TRITON, **changes)


def test_traffic_needs_a_share_for_each_length():
    with pytest.raises(PredictError, match="expected as many shares as lengths, found 1 for 2"):
        Traffic((10, 20), (1.0,))
    with pytest.raises(PredictError, match="expected shares that add up to 1, found 0.7"):
        Traffic((10, 20), (0.5, 0.2))


@pytest.mark.parametrize("front", [TRITON, THREAD, PUBLISHED], ids=lambda front: front.name)
def test_a_request_that_finds_the_server_long_idle_costs_more(front):
    warm, cold = (
        predict(f, GPU, ONE, 2, n_requests=2_000) for f in (front, replace(front, cold_cpu_s=0.001))
    )
    assert cold.p50_s - warm.p50_s == pytest.approx(0.001, rel=0.05)
    assert cold.coldness == pytest.approx(0.5 / (0.5 + 0.01), rel=0.02)
    more = (cold.cpu_utilisation - warm.cpu_utilisation) * front.n_cores / 2
    assert more == pytest.approx(0.001 * cold.coldness, rel=0.05)


def test_a_server_without_a_pause_is_never_cold():
    front = replace(TRITON, cold_cpu_s=0.01)
    assert predict(front, GPU, ONE, 10_000, n_requests=20_000).coldness < 0.001


def test_slices_are_replayed_from_an_empty_server_and_counted_in_their_steady_state():
    steady = np.arange(300) >= 100
    sparse = Schedule(np.arange(300) * 0.1, np.zeros(300, dtype=np.int64), steady)
    found = predict_slices(prepare(TRITON, GPU, ONE), 10, [sparse, sparse])
    assert found.throughput_rps == pytest.approx(10)
    assert found.p99_s == pytest.approx(0.0002 + 0.0022)
    crowded = replace(sparse, arrived_s=sparse.arrived_s / 100)
    with_crowd = predict_slices(prepare(TRITON, GPU, ONE), 10, [sparse, crowded])
    assert with_crowd.p90_s > 1.1 * found.p90_s


def test_slices_of_a_long_run_say_what_the_long_run_says():
    prepared = prepare(TRITON, GPU, ONE)
    schedules = [
        Schedule(
            arrival_times(ONE, 1_500, 5_000, seed),
            np.zeros(5_000, dtype=np.int64),
            np.arange(5_000) >= 500,
        )
        for seed in range(10)
    ]
    found, long = predict_slices(prepared, 1_500, schedules), predict(TRITON, GPU, ONE, 1_500)
    assert found.p99_s == pytest.approx(long.p99_s, rel=0.05)
    assert found.mean_batch == pytest.approx(long.mean_batch, rel=0.02)
