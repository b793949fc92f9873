"""How far a capacity moves."""

from dataclasses import replace

import pytest

from analysis.predict.sensitivity import longer, sensitivities
from analysis.predict.values import Front, Traffic
from loadtests.records.experiment import Slo

from .devices import LinearDevice

TRAFFIC = Traffic((20, 60), (0.5, 0.5))
DEVICE = LinearDevice(fixed_s=0.002, token_s=1e-5)
SLO = Slo(percentile=99, latency_ms=20)
BATCHER = Front("batcher", 0.0001, n_cores=4, max_batch_size=16)


def by_what(front):
    found = sensitivities(front, DEVICE, TRAFFIC, SLO, n_requests=5_000)
    return {(each.what, each.value): each.capacity_rps for each in found}


def test_longer_texts_and_bunched_arrivals_lower_a_capacity_and_a_long_delay_does():
    found = by_what(BATCHER)
    as_it_is = found["as it is", 1.0]
    assert found["text length", 2.0] < as_it_is < found["text length", 0.5]
    assert found["variation of gaps", 2.0] < as_it_is
    assert found["queue delay (s)", 0.01] < 1.02 * as_it_is


def test_only_a_batcher_has_a_queue_delay():
    found = by_what(replace(BATCHER, max_batch_size=1))
    assert {what for what, _ in found} == {"as it is", "text length", "variation of gaps"}


def test_longer_texts_keep_their_shares():
    assert longer(TRAFFIC, 0.5) == Traffic((10, 30), (0.5, 0.5))
    assert longer(TRAFFIC, 0.001).lengths_tokens == (1, 1)


def test_a_bound_that_is_not_met_has_no_capacity():
    slo = Slo(percentile=99, latency_ms=1)
    found = sensitivities(BATCHER, DEVICE, TRAFFIC, slo, n_requests=2_000)
    assert found[0].capacity_rps is None
    assert pytest.approx(0.5) in [each.value for each in found]
