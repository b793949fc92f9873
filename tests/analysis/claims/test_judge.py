from itertools import product

import pytest

from analysis.claims.catalogue import CLAIMS
from analysis.claims.judge import (
    Claim,
    ClaimMeasurement,
    ClaimOutcome,
    ClaimVerdict,
    Condition,
    Quantity,
    judge,
    outcome,
)
from analysis.claims.measures import MEASURES, has_room
from analysis.read.run import load_run
from analysis.report.summary import summarise
from loadtests.records.engines import engine_facts


def reading(value, low, high) -> ClaimMeasurement:
    return ClaimMeasurement(
        quantity=Quantity.CAPACITY_RATIO, of="a", over="b", value=value, low=low, high=high
    )


def claim(**bounds: float) -> Claim:
    return Claim(id="c", text="", where="", conditions="", how="", **bounds)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (5, 20, ClaimOutcome.HOLDS),
        (6, 7, ClaimOutcome.HOLDS),
        (1, 4.9, ClaimOutcome.FAILS),
        (21, None, ClaimOutcome.FAILS),  # more than was claimed is not what was claimed
        (None, 4, ClaimOutcome.FAILS),
        (4, 6, ClaimOutcome.UNDECIDED),
        (6, None, ClaimOutcome.UNDECIDED),
        (None, None, ClaimOutcome.UNDECIDED),
    ],
)
def test_a_reading_decides_only_where_its_whole_interval_is_on_one_side(low, high, expected):
    assert outcome(claim(at_least=5, at_most=20), reading(None, low, high)) is expected


def test_a_claim_with_one_bound_leaves_the_other_side_open():
    assert outcome(claim(at_least=10), reading(12, 11, None)) is ClaimOutcome.HOLDS
    assert outcome(claim(at_most=100), reading(75, 75, 146)) is ClaimOutcome.UNDECIDED
    assert outcome(claim(at_most=100), reading(None, None, 75)) is ClaimOutcome.HOLDS


HELD, MISSED, OPEN = (reading(x, x, y) for x, y in ((6, 6), (1, 1), (1, 9)))


@pytest.mark.parametrize(
    ("readings", "verdict"),
    [
        ([], ClaimVerdict.NOT_MEASURED),
        ([HELD, HELD], ClaimVerdict.HOLDS),
        ([MISSED], ClaimVerdict.FAILS),
        ([HELD, MISSED, OPEN], ClaimVerdict.ONLY_WHEN),
        ([HELD, OPEN], ClaimVerdict.UNDECIDED),
        ([MISSED, OPEN], ClaimVerdict.UNDECIDED),
        ([OPEN], ClaimVerdict.UNDECIDED),
    ],
)
def test_the_verdict_needs_all_readings(readings, verdict):
    found = judge(claim(at_least=5), readings)
    assert found.verdict is verdict
    assert [held.value for held in found.held] == [6] * readings.count(HELD)


def test_every_claim_names_a_measure_that_exists_and_every_measure_is_used():
    named = {claim.measure for claim in CLAIMS if claim.measure}
    assert named == set(MEASURES)
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS)


def test_a_claim_that_is_measured_bounds_something():
    assert all(
        claim.at_least is not None or claim.at_most is not None for claim in CLAIMS if claim.measure
    )


@pytest.fixture(scope="module")
def found(gpu_summary):
    return {claim.id: claim for claim in gpu_summary.claims}


def test_every_claim_stands_in_the_summary_of_every_run(gpu_summary, searched_summary):
    for summary in (gpu_summary, searched_summary):
        assert [claim.id for claim in summary.claims] == [claim.id for claim in CLAIMS]


def test_what_a_run_has_no_data_for_is_not_measured(searched_summary):
    gpu = {"fastapi-gpu-10", "after-gpu-90", "fp16", "tensorrt", "instances-linear", "mig"}
    for claim in searched_summary.claims:
        if claim.id in gpu:
            assert claim.verdict is ClaimVerdict.NOT_TESTABLE
            assert claim.unmet == [Condition.GPU]


def test_no_run_without_a_gpu_judges_a_claim_about_gpus(searched_summary, full_run):
    about_gpus = {claim.id for claim in CLAIMS if Condition.GPU in claim.needs}
    for claim in (*searched_summary.claims, *summarise(load_run(full_run)).claims):
        if claim.id in about_gpus:
            assert (claim.verdict, claim.readings) == (ClaimVerdict.NOT_TESTABLE, [])


def test_a_claim_whose_condition_is_not_met_is_not_judged():
    found = judge(claim(at_least=5), [], [Condition.ROOM])
    assert (found.verdict, found.unmet) == (ClaimVerdict.NOT_TESTABLE, [Condition.ROOM])


@pytest.mark.parametrize(("in_batches_rps", "room"), [(199, False), (200, True)])
def test_a_device_has_room_where_batches_make_it_twice_as_fast(in_batches_rps, room, make_engine):
    curve = [
        {"batch": batch, "length_tokens": 16, "rate_rps": rate_rps, "repeats": 9}
        | {"latency_p50_ms": 1.0, "latency_p99_ms": 1.0}
        for batch, rate_rps in ((1, 100), (8, in_batches_rps))
    ]
    engine = engine_facts(make_engine("torch", "fp32", ["a"], 1.0) | {"curve": curve})
    assert has_room(engine) is room


def test_both_meanings_of_utilisation_are_judged_apart(found):
    claim = found["before-gpu-30"]
    readings = {(reading.of, reading.quantity): reading.value for reading in claim.readings}
    assert readings["fastapi", Quantity.GPU_BUSY] == pytest.approx(0.97)
    assert readings["fastapi", Quantity.SM_ACTIVE] == pytest.approx(0.28)
    assert claim.verdict is ClaimVerdict.ONLY_WHEN
    assert [(held.of, held.quantity) for held in claim.held] == [
        ("fastapi", Quantity.SM_ACTIVE),
        ("fastapi-tuned", Quantity.SM_ACTIVE),
    ]


def test_utilisation_after_batching_leaves_out_who_does_not_batch(found):
    assert not [r for r in found["after-gpu-90"].readings if r.of.startswith("fastapi")]
    assert {(r.of, r.quantity) for r in found["triton-gpu-60-80"].readings} == set(
        product(("triton", "triton-x2"), (Quantity.GPU_BUSY, Quantity.SM_ACTIVE))
    )


def test_precision_is_compared_at_the_corners_of_the_curves(found):
    claim = found["fp16"]
    assert len(claim.readings) == 4
    assert all(reading.value == pytest.approx(0.55 / 0.3) for reading in claim.readings)
    assert claim.verdict is ClaimVerdict.HOLDS


def test_engines_are_compared_in_the_same_precision_only(found):
    values = [reading.value for reading in found["onnx-over-torch"].readings]
    assert values == pytest.approx([0.5 / 0.55] * 4)


def test_batching_is_credited_where_nothing_else_differs(found, gpu_summary):
    [reading] = found["batching-5-20"].readings
    assert (reading.of, reading.over) == ("litserve", "fastapi-tuned")
    capacity = {c.contender: c for c in gpu_summary.capacities}
    ratio = capacity["litserve"].certified_rps / capacity["fastapi-tuned"].certified_rps
    assert reading.value == pytest.approx(ratio)


def test_instances_are_measured_against_their_number(found):
    [reading] = found["instances-linear"].readings
    assert (reading.of, reading.n_instances, reading.over) == ("triton-x2", 2, "triton")
    assert reading.value == pytest.approx(3200 / 1600 / 2)


def test_a_rate_is_claimed_of_every_fastapi(found):
    readings = found["fastapi-100"].readings
    assert [r.of for r in readings] == ["fastapi", "fastapi-tuned"]
    assert readings[1].outcome is ClaimOutcome.FAILS


def test_time_outside_the_model_is_the_rest_of_the_median(found, gpu_summary):
    reading = found["framework-90"].readings[0]
    point = next(p for p in gpu_summary.points if (p.contender, p.level) == ("fastapi", "100rps"))
    engine_ms = (1 + 0.2 * 16 / 64) / 0.3
    assert (reading.of, reading.level) == ("fastapi", "100rps")
    assert reading.value == pytest.approx(1 - engine_ms / point.metrics.latency_p50_ms)
