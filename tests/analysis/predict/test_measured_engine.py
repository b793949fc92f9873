"""An engine's own curve as a device."""

import pytest

from analysis.predict.measured_engine import MeasuredEngine
from analysis.predict.values import PredictError
from loadtests.records.engines import engine_facts

PLACEMENT = {"device": "cpu", "precision": "fp32", "cuda_graphs": False, "tensorrt": False}


def engine(*points, **changes):
    """points: batch, length, milliseconds of a batch."""
    curve = [
        {
            "batch": batch,
            "length_tokens": length,
            "latency_p50_ms": ms,
            "latency_p99_ms": None,
            "rate_rps": batch / ms * 1000,
            "repeats": 50,
        }
        for batch, length, ms in points
    ]
    found = {"engine": "onnxruntime", "placement": PLACEMENT, "used_by": ["triton"]}
    return engine_facts(found | {"available": True, "reason": "", "curve": curve} | changes)


DEVICE = MeasuredEngine(engine((1, 16, 1), (8, 16, 4.5), (1, 32, 2), (8, 32, 9)))


def test_what_was_measured_is_given_back():
    assert DEVICE.pass_s(1, 16) == pytest.approx(0.001)
    assert DEVICE.pass_s(8, 32) == pytest.approx(0.009)


def test_between_batches_and_lengths_time_is_linear():
    assert DEVICE.pass_s(3, 16) == pytest.approx(0.002)
    assert DEVICE.pass_s(1, 24) == pytest.approx(0.0015)


def test_beyond_the_last_batch_and_length_it_goes_on_as_before():
    assert DEVICE.pass_s(16, 16) == pytest.approx(0.0085)
    assert DEVICE.pass_s(1, 64) == pytest.approx(0.004)


def test_below_the_shortest_length_a_pass_still_takes_time():
    steep = MeasuredEngine(engine((1, 64, 1), (1, 128, 9)))
    assert steep.pass_s(1, 1) == pytest.approx(0.00025)


def test_on_a_cpu_all_of_a_pass_is_work_of_the_host():
    assert DEVICE.host_s(8, 16) == DEVICE.pass_s(8, 16)


def test_an_engine_without_a_curve_is_no_device():
    gone = engine(available=False, reason="no CUDA here")
    with pytest.raises(PredictError, match=r"expected a measured curve .* found none \(no CUDA"):
        MeasuredEngine(gone)
