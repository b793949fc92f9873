"""The experiments for a GPU: what they compare, and that the rehearsal takes the same path."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from loadtests.spec.contenders import resolve_contenders
from loadtests.spec.experiment import Experiment
from loadtests.spec.file import read_experiment
from servers.discovery import Contender


@pytest.fixture
def experiments(root: Path) -> Mapping[str, Experiment]:
    paths = (root / "loadtests" / "experiments").glob("gpu*.toml")
    return {path.stem: read_experiment(path) for path in paths}


def compared(experiment: Experiment) -> list[Contender]:
    known = resolve_contenders(experiment)
    return [known[name] for name in experiment.contenders]


@pytest.mark.parametrize("name", ["gpu", "gpu-instances"])
def test_every_contender_on_a_gpu_refuses_to_fall_back_to_the_cpu(
    experiments: Mapping[str, Experiment], name: str
) -> None:
    assert {c.options["device"] for c in compared(experiments[name])} == {"cuda"}


def test_the_reference_is_the_service_as_published(experiments: Mapping[str, Experiment]) -> None:
    first = compared(experiments["gpu"])[0]
    assert (first.name, first.setting, first.engine) == ("fastapi", "as-published", "torch")
    assert experiments["gpu"].reference == first.name


def test_the_batching_contenders_share_one_engine_and_one_largest_batch(
    experiments: Mapping[str, Experiment],
) -> None:
    names = ("device", "precision", "cuda_graphs", "tensorrt", "max_batch_size")
    found = {
        tuple(contender.options[name] for name in names)
        for contender in compared(experiments["gpu"])
        if contender.engine == "torch" and contender.batching and "fp16" in contender.name
    }
    assert found == {("cuda", "fp16", True, False, 64)}


def test_fp16_differs_from_fp32_in_nothing_else(experiments: Mapping[str, Experiment]) -> None:
    known = resolve_contenders(experiments["gpu"])
    half, single = known["triton-torch-fp16"], known["triton-torch-fp32"]
    assert half.engine == single.engine
    assert {**half.options, "precision": "fp32"} == single.options


def test_instances_are_compared_with_the_batcher_on_and_off(
    experiments: Mapping[str, Experiment],
) -> None:
    found = [
        (c.options["instances"], c.batching)
        for c in compared(experiments["gpu-instances"])
        if c.options["max_queue_delay_us"] == 0
    ]
    assert sorted(found) == [(n, batches) for n in (1, 2, 4) for batches in (False, True)]


def test_the_rehearsal_has_the_parts_of_both_on_the_cpu(
    experiments: Mapping[str, Experiment],
) -> None:
    rehearsal = experiments["gpu-rehearsal"]
    on_gpu = {c.server for c in compared(experiments["gpu"])}
    rehearsed = [c for c in compared(rehearsal) if c.options["device"] == "cpu"]
    assert {c.server for c in rehearsed} == on_gpu
    assert {c.engine for c in rehearsed} == {"torch"}
    assert any(c.options.get("instances") == 2 and not c.batching for c in rehearsed)
    # On a host without a GPU, one contender is reported as unavailable.
    assert len(rehearsed) == len(rehearsal.contenders) - 1
    assert rehearsal.engines is not None
    assert rehearsal.load.workers > 1
