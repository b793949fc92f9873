"""Contenders of a run as fronts, on their own device and before that of a curve."""

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.predict.basis import basis_of, modelled, on_curve
from analysis.predict.measured_engine import MeasuredEngine
from analysis.predict.values import PredictError
from analysis.read.run import load_run
from analysis.report.summary import summarise
from loadtests.records.device_curve import curve_named

from ..report.planned_run import ALONE, TUNED, planned_run, served
from ..synthetic import SyntheticContender

A100, CPU = curve_named("a100-fp16-tensorrt"), curve_named("cpu-fp32-onnxruntime-small")
BASE = served("fastapi-onnx", 0.002, max_batch_size=1, **TUNED)
CONTENDERS = (
    served("fastapi", 0.004, **ALONE),
    replace(BASE, name="fastapi-tuned", engine="torch", service_s=0.003),
    BASE,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planned_run(tmp_path_factory.mktemp("runs") / "mine", CONTENDERS)


def basis(folder, *others):
    run = load_run(folder)
    return basis_of(run, summarise(run).points, [load_run(other) for other in others])


def test_each_contender_gets_the_engine_it_runs_and_others_are_left_out(folder):
    models, left_out = modelled(basis(folder))
    assert [model.name for model in models] == ["fastapi", "fastapi-onnx"]
    assert all(isinstance(model.device, MeasuredEngine) for model in models)
    assert "the engine of fastapi-tuned (torch) measured alone" in left_out["fastapi-tuned"]
    assert all(model.front.shared_cores for model in models)
    assert [level.rate_rps for level in models[0].measured] == [50, 200]


def test_engines_of_another_run_stand_in_on_the_same_machine_only(folder, tmp_path):
    bare = planned_run(tmp_path / "bare", CONTENDERS, with_engines=False)
    found = basis(bare, folder)
    assert (found.run_id, found.engines_from) == ("bare", "mine")
    manifest = bare / "manifest.json"
    manifest.write_text(manifest.read_text().replace("Synthetic CPU", "Another CPU"))
    assert basis(bare, folder).engines == ()
    with pytest.raises(PredictError, match=r"can be predicted, found none in bare \(expected the"):
        modelled(basis(bare, folder))


def test_before_a_curve_contenders_that_differ_in_the_engine_only_are_one(folder):
    first = modelled(basis(folder))[0]
    torch = replace(first[1], facts=first[1].facts.model_copy(update={"name": "t", "engine": "x"}))
    cheaper = replace(torch, front=replace(torch.front, front_cpu_s=1e-6))
    fastapi, tuned = on_curve([first[0], cheaper, first[1]], A100, n_cores=4)
    assert (tuned.name, tuned.stands_for) == ("t", ("fastapi-onnx",))
    assert tuned.front.front_cpu_s == first[1].front.front_cpu_s  # of the one with ONNX Runtime
    assert tuned.label == A100.label
    assert tuned.front.n_cores == 4
    assert tuned.front.passes == "apart"  # on a GPU the event loop does not run the pass
    assert not fastapi.front.shared_cores
    assert fastapi.measured == ()


def test_the_curve_of_a_processor_is_the_servers_own(folder):
    models = on_curve(modelled(basis(folder))[0], CPU, n_cores=1)
    assert all(model.front.shared_cores for model in models)
    assert models[1].front.passes == "on-loop"
    assert all(model.label.startswith("simulated device: AMD EPYC") for model in models)


def test_contenders_of_a_replayed_device_get_its_curve(tmp_path):
    options = TUNED | {"curve": A100.name, "device": "cuda", "max_batch_size": 8}
    contender = SyntheticContender("replayed", 0.003, server="fastapi_service", options=options)
    run = load_run(planned_run(tmp_path / "replay", [contender]))
    points = summarise(run).points
    found = basis_of(run, points)
    facts = found.facts[0].model_copy(update={"simulated_device": A100.label})
    (model,), _ = modelled(replace(found, facts=(facts,)))
    assert model.device == A100
    assert model.label == A100.label
    assert model.measured
