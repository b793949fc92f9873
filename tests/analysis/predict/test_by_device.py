"""One device: choices by rate, and the figures that rules of thumb are judged by."""

import pytest

from analysis.predict.basis import Modelled
from analysis.predict.by_device import RATES_RPS, study_device
from analysis.predict.values import Front, PredictError, Traffic
from analysis.read.contenders import facts_of
from loadtests.records.experiment import Slo

from .devices import LinearDevice

pytestmark = pytest.mark.usefixtures("brief_curves")

SLO = Slo(percentile=99, latency_ms=100)
TRAFFIC = Traffic.of_one_length(16)
DEVICE = LinearDevice(fixed_s=0.004, item_s=0.0002)


def model(name, server, **front):
    declared = {"name": name, "server": server, "protocol": "http-json", "engine": "replay"}
    declared |= {"setting": "tuned", "batching": True, "summary": "any", "components": ["one"]}
    return Modelled(facts_of(declared), Front(name, 0.0003, n_cores=8, **front), DEVICE, "a card")


ALONE = model("fastapi", "fastapi_service", passes="in-handler", front_cores=1)
BATCHED = model("triton", "triton_service", max_batch_size=32)


@pytest.fixture(scope="module")
def found():
    return study_device([ALONE, BATCHED], TRAFFIC, SLO, "a card", 8)


def test_the_choice_at_each_rate_has_the_fewest_replicas(found):
    assert tuple(each.rate_rps for each in found.choices) == RATES_RPS
    assert found.simulated
    first, *_, last = found.choices
    assert (first.contender, first.replicas, first.also) == ("fastapi", 1, ["triton"])
    assert last.contender == "triton"
    assert not any(each.measured for each in found.choices)


def test_a_batcher_gives_a_device_with_a_large_fixed_part_several_times_the_capacity(found):
    assert 4 < found.batched.capacity_rps / found.alone.capacity_rps < 30
    assert found.alone.device_share_of_best < 0.2 < found.batched.device_share_of_best
    assert found.crossing.other == "triton"
    assert (
        found.crossing.low_rps
        < found.crossing.rate_rps
        == pytest.approx(found.alone.capacity_rps, rel=0.05)
    )


def test_a_request_that_is_nearly_alone_takes_a_pass_and_its_front(found):
    assert found.alone.light_p50_ms == pytest.approx(4.5, abs=0.3)


def test_a_queue_delay_is_waited_for_where_few_requests_come(found):
    delays = {each.value: each.p50_ms for each in found.delays}
    assert list(delays) == [0, 1, 2, 5, 10]
    assert delays[10] > delays[0]


def test_instances_on_one_device_share_it(found):
    one, two, four = (each.capacity_rps for each in found.instances)
    assert two < 1.5 * one
    assert four < 2 * one


def test_without_one_of_the_two_that_the_documents_compare_it_says_so():
    with pytest.raises(PredictError, match="expected triton among the contenders, found fastapi"):
        study_device([ALONE], TRAFFIC, SLO, "a card", 8)
