"""Predictions of a run without slices, from costs of an earlier one."""

from dataclasses import replace

import pytest

from analysis.predict.beforehand import Known, costs_of, predict_all
from analysis.predict.values import PredictError, Traffic
from analysis.read.contenders import ContenderFacts, facts_of
from loadtests.records.front_costs import FrontCosts, RunCosts

from ..report.planned_run import ALONE, TUNED, engine, served
from ..synthetic import facts

FASTAPI = facts_of(facts(served("fastapi", 0.004, **ALONE)))
TUNED_ONE = facts_of(facts(served("fastapi-tuned", 0.002, max_batch_size=1, **TUNED)))
BATCHED = facts_of(facts(served("fastapi-batched", 0.002, max_batch_size=32, **TUNED)))


def costs(of: ContenderFacts, cpu_s: float = 0.001) -> FrontCosts:
    setup = (of.name, of.server, of.protocol, of.engine, of.setting, of.options)
    return FrontCosts(*setup, cpu_s, 0.0, 0.0, 0.0)


def known(*fronts: FrontCosts) -> Known:
    return Known(RunCosts("earlier", fronts), (engine(),), "mine", 1, Traffic.of_one_length(16))


def test_a_server_is_predicted_from_its_costs_and_the_engine_alone() -> None:
    # A text takes 1 ms of the front and 1.1 ms of the engine on the one core: 476 a second.
    (found,), left_out = predict_all([FASTAPI], [100.0, 400.0, 900.0], known(costs(FASTAPI)), 60.0)
    assert left_out == {}
    assert found.highest_rps == pytest.approx(1 / 0.0021, rel=0.001)
    light, heavy, beyond = found.rates
    assert light.throughput_rps == 100
    assert light.p50_ms == pytest.approx(2.1, rel=0.1)
    assert (light.p99_ms or 0) < (heavy.p99_ms or 0) / 2
    assert heavy.cpu_utilisation == pytest.approx(400 * 0.0021, rel=0.03)
    assert (beyond.saturated, beyond.p50_ms, beyond.p99_ms) == (True, None, None)
    assert beyond.throughput_rps == pytest.approx(found.highest_rps, rel=0.03)


def test_who_has_no_engine_or_no_costs_is_left_out_with_the_reason() -> None:
    torch = TUNED_ONE.model_copy(update={"name": "torch", "engine": "torch"})
    other = FASTAPI.model_copy(update={"name": "other", "server": "external"})
    asked = [FASTAPI, BATCHED, torch, other]
    found, left_out = predict_all(asked, [50.0], known(costs(FASTAPI), costs(TUNED_ONE)), 60.0)
    assert [each.contender for each in found] == ["fastapi"]
    assert (
        "a server set up as fastapi-batched in earlier, found none" in left_out["fastapi-batched"]
    )
    assert "the engine of torch (torch) measured alone, found nothing in mine" in left_out["torch"]
    assert "its scheduling is not modelled" in left_out["other"]


def test_what_the_time_does_not_suffice_for_is_left_out_and_says_so() -> None:
    found, left_out = predict_all([FASTAPI], [50.0], known(costs(FASTAPI)), -1.0)
    assert found == []
    assert "fastapi still to come: give the run more time" in left_out["fastapi"]


def test_costs_are_those_of_the_same_setup_by_name_then_engine_then_onnx_runtime() -> None:
    mine = costs(TUNED_ONE)
    torch, compiled = (replace(mine, name=name, engine=name) for name in ("torch", "compiled"))
    fronts = RunCosts("earlier", (torch, compiled, mine, costs(BATCHED)))
    assert costs_of(TUNED_ONE, fronts) is mine
    renamed = TUNED_ONE.model_copy(update={"name": "variant", "engine": "compiled"})
    assert costs_of(renamed, fronts) is compiled
    assert costs_of(renamed.model_copy(update={"engine": "new"}), fronts) is mine
    placed = TUNED_ONE.options | {"precision": "fp16", "threads_per_pass": "9"}
    assert costs_of(TUNED_ONE.model_copy(update={"options": placed}), fronts) is mine


def test_a_setup_that_older_runs_did_not_name_is_the_usual_one() -> None:
    named = FASTAPI.model_copy(update={"options": {**FASTAPI.options, "length_buckets": "32"}})
    with pytest.raises(PredictError, match="a server set up as fastapi in earlier, found none"):
        costs_of(named, RunCosts("earlier", (costs(FASTAPI),)))
    usual = {**FASTAPI.options, "length_buckets": "16,32,64,128"}
    assert costs_of(
        FASTAPI.model_copy(update={"options": usual}), RunCosts("earlier", (costs(FASTAPI),))
    )
