"""The experiments on a GPU have the contenders that claims and ablation need."""

from dataclasses import asdict
from pathlib import Path

import pytest

from analysis.claims.pairs import batching_pairs, differing, pairs, same_but
from analysis.compare.ablation import steps
from analysis.read.contenders import ContenderFacts, facts_of
from analysis.report.figures.style import look
from loadtests.spec.contenders import resolve_contenders
from loadtests.spec.file import read_experiment

EXPERIMENTS = Path(__file__).parents[3] / "loadtests" / "experiments"


def declared(name: str) -> list[ContenderFacts]:
    experiment = read_experiment(EXPERIMENTS / name)
    known = resolve_contenders(experiment)
    return [facts_of(asdict(known[contender])) for contender in experiment.contenders]


@pytest.fixture(scope="module")
def gpu():
    return declared("gpu.toml")


@pytest.fixture(scope="module")
def instances():
    return declared("gpu-instances.toml")


def names(found) -> set[tuple[str, str]]:
    return {(before.name, after.name) for before, after in found}


def test_every_contender_runs_on_the_gpu(gpu, instances):
    assert {c.device for c in [*gpu, *instances]} == {"cuda"}


def test_batching_precision_tensorrt_and_engine_each_have_a_pair(gpu):
    assert ("fastapi-tuned-fp16", "fastapi-batched-fp16") in names(batching_pairs(gpu))
    assert names(differing(gpu, "precision", ("fp32", "fp16"))) == {
        ("triton-torch-fp32", "triton-torch-fp16")
    }
    assert names(differing(gpu, "tensorrt", ("false", "true"))) == {
        ("triton-onnx-fp16", "triton-tensorrt-fp16")
    }
    by_name = {c.name: c for c in gpu}
    torch, onnx = by_name["triton-torch-fp16"], by_name["triton-onnx-fp16"]
    assert same_but(torch.model_copy(update={"engine": onnx.engine}), onnx, "cuda_graphs")


def test_the_batcher_is_switched_at_each_number_of_instances(instances):
    assert names(batching_pairs(instances)) == {
        (f"triton-{n}-alone", f"triton-{n}-batched") for n in (1, 2, 4)
    }


def test_instances_are_added_with_the_batcher_off_and_on(instances):
    found = {
        (one.name, many.name)
        for one, many in pairs(instances)
        if one.options["instances"] == "1" and same_but(one, many, "instances")
    }
    assert found == {
        (f"triton-1-{kind}", f"triton-{n}-{kind}") for kind in ("alone", "batched") for n in (2, 4)
    }


def test_delays_for_throughput_are_compared_with_those_for_latency_on_a_cpu_too():
    settings = declared("triton-settings.toml")
    found = {
        (before.name, after.name)
        for before, after in pairs(settings)
        if "5ms" in after.name and same_but(before, after, "max_queue_delay_us")
    }
    assert ("triton", "triton-delay-5ms") in found
    assert ("triton-delay-2ms", "triton-delay-5ms") in found


def test_the_ablation_goes_from_fastapi_to_the_gateway(gpu):
    found = steps(gpu, [c.name for c in gpu])
    assert [(step.after.name, *step.changes) for step in found] == [
        ("fastapi-tuned-fp16", "handler", "precision", "cuda_graphs"),
        ("fastapi-batched-fp16", "batching"),
        ("triton-torch-fp16", "server", "protocol"),
        ("hybrid-torch-fp16", "extra_hop"),
    ]


def test_a_queue_delay_is_set_beside_none_with_nothing_else_changed(instances):
    by_name = {c.name: c for c in instances}
    before, after = by_name["triton-1-batched"], by_name["triton-1-delayed"]
    assert same_but(before, after, "max_queue_delay_us")
    assert (before.options["max_queue_delay_us"], after.options["max_queue_delay_us"]) == (
        *("0", "5000"),
    )


def test_no_two_contenders_of_an_experiment_look_alike(gpu, instances):
    for contenders in (gpu, instances):
        assert len({look(c.name) for c in contenders}) == len(contenders)
