"""Fronts from what contenders declare and what was measured of them."""

from dataclasses import replace

import pytest

from analysis.capacity.load_points import Point
from analysis.predict import fronts
from analysis.predict.fronts import (
    MeasuredLoad,
    fitted_front,
    front_shape,
    loads_of,
    traffic_of,
)
from analysis.predict.path import predict
from analysis.predict.rates import prepare
from analysis.predict.values import PredictError, Traffic
from analysis.read.contenders import facts_of
from analysis.steady.metrics import Metrics
from analysis.validity.certificate import Check
from analysis.validity.reasons import Reason
from loadtests.records.tables import BUCKETS_TOKENS

from .devices import LinearDevice


def contender(name, server, **options):
    declared = {"name": name, "server": server, "protocol": "http-json", "engine": "onnxruntime"}
    declared |= {"setting": "tuned", "batching": True, "summary": "any", "components": ["one"]}
    return facts_of(declared | {"options": options})


def test_fastapi_as_published_blocks_in_its_handler():
    facts = contender("fastapi", "fastapi_service", handlers="published", device="cpu")
    front = front_shape(facts, 4)
    assert (front.passes, front.max_batch_size, front.length_buckets) == ("in-handler", 1, ())
    assert front.shared_cores


TUNED = {"handlers": "tuned", "threads_per_pass": 1, "max_batch_size": 1, "max_in_progress": 128}


def test_tuned_fastapi_takes_turns_on_one_core_and_has_a_pool_on_several():
    facts = contender("fastapi-tuned", "fastapi_service", **TUNED)
    one, four = front_shape(facts, 1), front_shape(facts, 4)
    assert (one.passes, one.max_in_progress) == ("on-loop", 128)
    assert (four.passes, four.instances, four.front_cores) == ("apart", 4, 1)


def test_on_a_gpu_tuned_fastapi_has_a_pool_even_on_one_core():
    facts = contender("fastapi-tuned", "fastapi_service", device="cuda", **TUNED)
    front = front_shape(facts, 1)
    assert front.passes == "apart"
    assert not front.shared_cores


def test_a_micro_batcher_runs_one_batch_at_a_time_in_buckets():
    options = TUNED | {"threads_per_pass": 0, "max_batch_size": 32}
    front = front_shape(contender("fastapi-batched", "fastapi_service", **options), 4)
    assert (front.instances, front.max_batch_size) == (1, 32)
    assert front.length_buckets == BUCKETS_TOKENS


def test_triton_and_the_gateway_before_it_have_tritons_settings():
    options = {"max_queue_delay_us": 2000, "max_batch_size": 16, "batcher": True, "instances": 2}
    for server in ("triton_service", "hybrid_gateway"):
        front = front_shape(contender("any", server, **options), 4)
        assert (front.queue_delay_s, front.max_batch_size, front.instances) == (0.002, 16, 2)


def test_without_its_batcher_triton_runs_each_text_alone():
    facts = contender("triton-unbatched", "triton_service", max_batch_size=32, batcher=False)
    assert front_shape(facts, 4).max_batch_size == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [("length_buckets", "128"), ("preferred_batch_sizes", "4,8"), ("threads_per_instance", 1)],
)
def test_what_is_not_modelled_of_triton_is_not_predicted(option, value):
    facts = contender("c1", "triton_service", **{option: value})
    sentence = f"expected c1 with {option} at its default, found {value}: what that does is not "
    with pytest.raises(PredictError, match=sentence):
        front_shape(facts, 4)


def test_litserve_waits_for_its_batch_timeout():
    facts = contender("litserve", "litserve_service", max_batch_size=32, batch_timeout_ms=5.0)
    front = front_shape(facts, 4)
    assert (front.queue_delay_s, front.max_batch_size, front.front_cores) == (0.005, 32, 1)


def test_a_server_whose_scheduling_is_not_known_has_no_front():
    with pytest.raises(PredictError, match="found law of simulated_service: its scheduling is not"):
        front_shape(contender("law", "simulated_service"), 1)


def test_traffic_has_the_lengths_of_the_texts_as_often_as_they_occur():
    assert traffic_of([10, 30, 10, 20]) == Traffic((10, 20, 30), (0.5, 0.25, 0.25))
    with pytest.raises(PredictError, match="expected the lengths of the texts"):
        traffic_of([])


def point(rate_rps, cpu_s=0.002, **changes):
    metrics = Metrics.model_construct(
        server_cpu_s_per_1000_requests=cpu_s and cpu_s * 1000,
        gateway_cpu_s_per_1000_requests=changes.pop("gateway_cpu_s", None),
        latency_p50_ms=changes.pop("p50_ms", 5.0),
    )
    fields = {"contender": "a", "rate_rps": rate_rps, "saturated": False, "findings": []}
    return Point.model_construct(metrics=metrics, **fields | changes)


def test_costs_are_taken_where_a_contender_kept_up():
    late = Check.model_construct(reason=Reason.SEND_LAG)
    points = [
        point(200, gateway_cpu_s=0.5),
        point(50),
        point(100, findings=[late]),
        point(400, saturated=True),
        point(100, contender="b"),
        point(100, cpu_s=None),
        point(None),
    ]
    assert loads_of(points, "a") == [
        MeasuredLoad(50, 0.002, 0.0, 0.005),
        MeasuredLoad(200, 0.002, 0.0005, 0.005),
    ]


DEVICE = LinearDevice(fixed_s=0.001, item_s=0.0005, token_s=1e-5)
TRAFFIC = Traffic((12, 40), (0.6, 0.4))
HYBRID = front_shape(contender("hybrid", "hybrid_gateway", max_batch_size=32), 1)


def measured(front, rates_rps):
    """What would be measured of this front, by simulation with another seed."""
    loads = []
    for rate in rates_rps:
        found = predict(front, DEVICE, TRAFFIC, rate, n_requests=20_000, seed=9)
        cpu_s = found.cpu_utilisation * front.n_cores / found.throughput_rps
        loads.append(MeasuredLoad(rate, cpu_s, front.hop_cpu_s, found.p50_s))
    return loads


def test_costs_are_found_again_from_what_they_make_of_cpu_time():
    true = replace(HYBRID, front_cpu_s=0.0006, hop_cpu_s=0.0003, overhead_s=0.0008)
    found = fitted_front(HYBRID, DEVICE, TRAFFIC, measured(true, [20, 200]))
    assert found.hop_cpu_s == pytest.approx(0.0003)
    assert found.front_cpu_s == pytest.approx(0.0006, rel=0.03)
    assert found.overhead_s == pytest.approx(0.0008, rel=0.15)


def test_a_cost_of_cold_starts_is_told_from_a_cost_a_request():
    true = replace(HYBRID, front_cpu_s=0.0004, cold_cpu_s=0.001)
    found = fitted_front(HYBRID, DEVICE, TRAFFIC, measured(true, [20, 100, 200]))
    assert found.front_cpu_s == pytest.approx(0.0004, abs=0.0001)
    assert found.cold_cpu_s == pytest.approx(0.001, rel=0.1)


def test_a_server_that_used_less_than_its_passes_costs_nothing_beside_them():
    found = fitted_front(HYBRID, DEVICE, TRAFFIC, [MeasuredLoad(20, 1e-6, 0.0, None)])
    assert found.front_cpu_s == 0
    assert found.overhead_s == 0


def test_a_front_is_prepared_once_for_all_loads(monkeypatch):
    prepared = []

    def counted(*arguments):
        prepared.append(arguments)
        return prepare(*arguments)

    loads = measured(HYBRID, [20, 50, 100])
    monkeypatch.setattr(fronts, "prepare", counted)
    fitted_front(HYBRID, DEVICE, TRAFFIC, loads)
    assert len(prepared) == fronts.ROUNDS + 1


def test_without_a_load_there_are_no_costs():
    with pytest.raises(PredictError, match="expected a load at which hybrid kept up"):
        fitted_front(HYBRID, DEVICE, TRAFFIC, [])
