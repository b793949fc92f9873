import json

import pytest

from analysis.capacity.engine_efficiency import (
    engine_efficiencies,
    fell_at,
    highest_loads,
    saturated_at,
)
from analysis.read.run import load_run
from loadtests.records.engines import EngineFacts, engine_facts, engine_of, read_engines
from loadtests.records.stored import RecordError


@pytest.fixture
def engine(make_engine) -> EngineFacts:
    """1 ms a batch and 0.2 ms for each 64 tokens in it; lengths 16, 64, 128; batches 1, 8, 32."""
    return engine_facts(make_engine("torch", "fp16", ["a"], 1.0))


@pytest.mark.parametrize(
    ("batch", "length", "time_ms"),
    [
        (8, 64, 2.6),  # as measured
        (4, 64, 1.8),  # between two batches
        (8, 32, 1.8),  # between two lengths
        (2.5, 96, 1.75),  # between both
        (64, 64, 14.8),  # beyond the largest batch its rate is kept: twice the time
        (8, 8, 1.4),  # below the least length: that of 16 tokens
        (8, 256, 4.2),  # beyond the longest: that of 128
    ],
)
def test_the_rate_of_an_engine_lies_on_its_curve(engine, batch, length, time_ms):
    assert engine.rate_at(batch, length) == pytest.approx(1000 * batch / time_ms)


def test_an_engine_without_a_curve_has_no_rate(make_engine):
    engine = engine_facts(make_engine("torch", "fp16", [], 1.0, curve=[]))
    assert engine.rate_at(1, 16) is None


@pytest.mark.parametrize(
    ("length", "flops"), [(8, 1.4e9), (16, 2.8e9), (40, 7e9), (128, 22.6e9), (200, 22.6e9)]
)
def test_operations_of_a_request_are_linear_in_its_length(engine, length, flops):
    assert engine.flops_at(length) == pytest.approx(flops)


def test_an_unavailable_engine_is_nobody_s(make_engine):
    there, missing = (
        engine_facts(make_engine("torch", "fp16", names, 1.0, available=available))
        for names, available in ((["a"], True), (["b"], False))
    )
    assert engine_of([missing, there], "a") is there
    assert engine_of([missing, there], "b") is None


def test_a_run_without_engines_has_none(full_run):
    assert load_run(full_run).engines == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is not JSON"),
        ('{"schema_version": 1}', "schema version 1"),
        (
            '{"schema_version": 4, "engines": [{"engine": "torch"}]}',
            r"engines\.json: engines\.0\.placement",
        ),
    ],
)
def test_a_damaged_engines_file_is_one_sentence(tmp_path, text, problem):
    (tmp_path / "engines.json").write_text(text)
    with pytest.raises(RecordError, match=problem):
        read_engines(tmp_path)


def test_a_contender_stands_beside_its_engine_at_its_own_batch_and_length(gpu_summary):
    found = {efficiency.contender: efficiency for efficiency in gpu_summary.engine_efficiencies}
    triton = found["triton"]
    # Half the speed: 2 ms a batch and 0.1 ms for each of its texts of 16 tokens.
    batch_ms = 2 + 0.1 * triton.mean_batch
    assert triton.mean_padded_tokens == 16
    assert triton.engine_rate_rps == pytest.approx(1000 * triton.mean_batch / batch_ms)
    assert triton.engine_share == pytest.approx(triton.throughput_rps / triton.engine_rate_rps)
    assert triton.flops_per_s == pytest.approx(triton.throughput_rps * 2.8e9)
    assert triton.matmul_share == pytest.approx(triton.flops_per_s / 4e14)
    assert found["fastapi"].mean_batch == 1


def test_what_a_contender_uses_of_its_device_is_a_share_of_the_best_rate_of_the_engine(gpu_summary):
    for each in gpu_summary.engine_efficiencies:
        engine = next(e for e in gpu_summary.engines if each.contender in e.used_by)
        best = max(engine.rate_at(p.batch, each.mean_padded_tokens) for p in engine.curve)
        assert each.best_rate_share == pytest.approx(each.throughput_rps / best)
        assert each.best_rate_share <= each.engine_share


def test_the_highest_load_is_where_most_was_answered_saturated_or_not(collapsing):
    summary = collapsing()
    highest = highest_loads(summary.points)["a"]
    assert highest.level == "200rps"
    assert not highest.saturated
    assert saturated_at(summary.points, highest).level == "400rps"
    assert fell_at(summary.points, highest).level == "400rps"


def test_a_contender_that_kept_up_everywhere_was_never_saturated(gpu_summary):
    highest = highest_loads(gpu_summary.points)["triton-x2"]
    assert highest.level == "3200rps"
    assert saturated_at(gpu_summary.points, highest) is None
    assert fell_at(gpu_summary.points, highest) is None


def test_a_contender_that_answers_as_much_at_every_load_above_its_limit_did_not_fall(gpu_summary):
    highest = highest_loads(gpu_summary.points)["fastapi"]
    assert saturated_at(gpu_summary.points, highest) is highest
    assert fell_at(gpu_summary.points, highest) is None


def test_a_point_with_doubtful_counts_is_no_highest_load(gpu_summary):
    stored = json.loads(gpu_summary.model_dump_json())
    trial_checks = stored["trials"][0]["certificate"]
    for point in stored["points"]:
        if (point["contender"], point["level"]) == ("triton", "3200rps"):
            counts = next(c for c in trial_checks if c["reason"] == "counts_disagree")
            point["findings"] += [counts | {"outcome": "failed"}]
    points = type(gpu_summary).model_validate(stored).points
    assert highest_loads(points)["triton"].level == "1600rps"


def test_without_engines_nobody_reaches_anything(gpu_summary):
    assert engine_efficiencies(gpu_summary.points, [], {}) == []
