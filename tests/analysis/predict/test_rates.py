"""The most that each resource lets through."""

from dataclasses import replace

import pytest

from analysis.predict.rates import Resource, prepare
from analysis.predict.values import Front, Traffic

from .devices import LinearDevice

ONE = Traffic.of_one_length(32)
DEVICE = LinearDevice(fixed_s=0.002, item_s=0.001, host_share=0.25)
FRONT = Front("any", 0.001, n_cores=4, max_batch_size=8)


def test_each_resource_has_its_own_highest_rate():
    front = replace(FRONT, hop_cpu_s=0.0005, front_cores=2, instances=2)
    rates = prepare(front, DEVICE, ONE).highest_rps
    pass_s = 0.01 / 8
    assert rates[Resource.CORES] == pytest.approx(4 / (0.0015 + 0.25 * pass_s))
    assert rates[Resource.FRONT] == pytest.approx(2 / 0.001)
    assert rates[Resource.GATEWAY] == pytest.approx(1 / 0.0005)
    assert rates[Resource.DEVICE] == pytest.approx(1 / pass_s)
    assert rates[Resource.INSTANCES] == pytest.approx(2 / pass_s)


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({}, Resource.DEVICE),
        ({"front_cpu_s": 0.0015, "front_cores": 1}, Resource.FRONT),
        ({"hop_cpu_s": 0.002}, Resource.GATEWAY),
        ({"n_cores": 1}, Resource.CORES),
        ({"shared_cores": True, "n_cores": 2, "front_cpu_s": 0.0001}, Resource.CORES),
        ({"passes": "in-handler", "max_batch_size": 1}, Resource.ONE_THREAD),
    ],
)
def test_what_breaks_first_is_what_lets_the_least_through(changes, first):
    prepared = prepare(replace(FRONT, **changes), DEVICE, ONE)
    assert prepared.breaks_first == first
    assert prepared.highest_rate_rps == prepared.highest_rps[first]


def test_a_pass_on_the_servers_own_cores_takes_all_of_them():
    rates = prepare(replace(FRONT, shared_cores=True), DEVICE, ONE).highest_rps
    assert rates[Resource.CORES] == pytest.approx(4 / (0.001 + 4 * 0.01 / 8))
    assert rates[Resource.DEVICE] == float("inf")


def test_the_best_rate_of_a_device_is_that_of_its_best_batch_whatever_the_front():
    alone = replace(FRONT, max_batch_size=1)
    assert prepare(alone, DEVICE, ONE).best_rps == pytest.approx(128 / 0.13)
    assert prepare(FRONT, DEVICE, ONE).best_rps == pytest.approx(128 / 0.13)


def test_batches_of_several_lengths_pay_the_fixed_part_for_each():
    two = Traffic((16, 32), (0.5, 0.5))
    one_pass = prepare(FRONT, DEVICE, two).highest_rps[Resource.DEVICE]
    padded = replace(FRONT, length_buckets=(16, 32))
    passes = prepare(padded, DEVICE, two).highest_rps[Resource.DEVICE]
    # Nearly every batch of 8 has both lengths: 12 ms instead of 10.
    assert passes == pytest.approx(one_pass * 10 / 12, rel=0.01)


def test_where_a_batch_ends_at_another_length_full_batches_are_short():
    two = Traffic((16, 32), (0.5, 0.5))
    padded = replace(FRONT, length_buckets=(16, 32))
    mixed, alike = (
        prepare(replace(padded, mixed_batches=mixed), DEVICE, two).highest_rate_rps
        for mixed in (True, False)
    )
    # Runs of one length are two texts long: 4 ms for two.
    assert alike == pytest.approx(2 / 0.004, rel=0.03)
    assert alike < 0.8 * mixed
