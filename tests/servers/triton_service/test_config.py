"""The generated configurations of all forms: readable by Triton, and meaning what is wanted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tritonclient.grpc import model_config_pb2 as pb

from servers.placement import Placement
from servers.triton_service.checks import ConfigError, check_repository, parse_config, to_text
from servers.triton_service.config import FORMS, Form, RepositorySpec, model_configs


def configs(form: Form, **changes: Any) -> dict[str, pb.ModelConfig]:
    spec = RepositorySpec(form=form, n_labels=10, model_dir=Path("/model"), threads=2, **changes)
    return {config.name: config for config in model_configs(spec)}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_survives_the_text_format_and_is_consistent(form: Form) -> None:
    written = configs(form)

    read = {name: parse_config(to_text(config), name) for name, config in written.items()}

    assert read == written
    check_repository(list(read.values()))


@pytest.mark.parametrize("form", FORMS)
def test_no_form_caches_answers_or_leaves_the_batcher_to_a_default(form: Form) -> None:
    for config in configs(form).values():
        assert not config.response_cache.enable
        assert config.HasField("dynamic_batching") == (config.platform != "ensemble")


def test_without_the_batcher_only_the_classifier_runs_each_request_alone() -> None:
    written = configs("embedded", batcher=False)

    assert not written["classifier"].HasField("dynamic_batching")
    assert written["tokenizer"].HasField("dynamic_batching")
    check_repository(list(written.values()), batcher=False)


@pytest.mark.parametrize("batcher", [True, False])
def test_one_model_in_place_of_the_ensemble_batches_as_the_classifier_does(batcher: bool) -> None:
    written = configs("embedded", ensemble=False, batcher=batcher)

    (model,) = written.values()
    assert (model.name, model.backend) == ("text_classifier", "python")
    assert model.HasField("dynamic_batching") == batcher
    check_repository([model], batcher)


@pytest.mark.parametrize("ensemble", [True, False])
def test_only_what_waits_for_the_network_is_refused_when_it_is_too_much_or_too_late(
    ensemble: bool,
) -> None:
    bounds = {"max_queue_size": 64, "queue_timeout_us": 50_000}
    written = configs("embedded", ensemble=ensemble, **bounds)

    policies = {
        name: model.dynamic_batching.default_queue_policy for name, model in written.items()
    }
    policy = policies.pop("classifier" if ensemble else "text_classifier")
    assert (policy.max_queue_size, policy.default_timeout_microseconds) == (64, 50_000)
    assert policy.timeout_action == pb.ModelQueuePolicy.REJECT
    assert all(other == pb.ModelQueuePolicy() for other in policies.values())


def test_a_queue_is_unbounded_unless_a_bound_is_given() -> None:
    for config in configs("embedded").values():
        assert not config.dynamic_batching.HasField("default_queue_policy")


def test_a_bound_without_a_batcher_that_would_keep_it_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected batcher = true for max_queue_size"):
        configs("embedded", batcher=False, max_queue_size=1)


@pytest.mark.parametrize("ensemble", [True, False])
def test_preferred_sizes_are_those_of_the_model_that_runs_the_network(ensemble: bool) -> None:
    written = configs("embedded", ensemble=ensemble, preferred_batch_sizes=(4, 8))

    sizes = {name: list(m.dynamic_batching.preferred_batch_size) for name, m in written.items()}
    assert sizes.pop("classifier" if ensemble else "text_classifier") == [4, 8]
    assert not any(sizes.values())
    check_repository(list(written.values()))


def test_preferred_sizes_without_a_batcher_are_refused() -> None:
    with pytest.raises(ConfigError, match="or preferred_batch_sizes, found false"):
        configs("embedded", batcher=False, preferred_batch_sizes=(4,))


@pytest.mark.parametrize(
    ("written", "wanted", "problem"),
    [
        (False, True, "classifier: expected dynamic_batching: without it every request runs alone"),
        (True, False, "classifier: dynamic_batching is on, and was to be off"),
    ],
)
def test_a_batcher_that_is_not_as_meant_is_refused(
    written: bool, wanted: bool, problem: str
) -> None:
    models = list(configs("embedded", batcher=written).values())

    with pytest.raises(ConfigError, match=problem):
        check_repository(models, batcher=wanted)


def test_the_embedded_classifier_is_told_its_engine_placement_and_model() -> None:
    placement = Placement("cuda", "fp16", cuda_graphs=True)
    classifier = configs("embedded", engine="torch", placement=placement)["classifier"]

    told = {name: entry.string_value for name, entry in classifier.parameters.items()}
    assert json.loads(told.pop("placement")) == {
        "device": "cuda",
        "precision": "fp16",
        "cuda_graphs": True,
        "tensorrt": False,
        "curve": "",
    }
    assert told == {"engine": "torch", "model_dir": "/model", "intra_op_threads": "2"}
    # Of the Python backend: the engine finds its device itself, and gets CPU tensors.
    assert classifier.instance_group[0].kind == pb.ModelInstanceGroup.KIND_CPU


def test_the_instances_asked_for_are_those_of_the_classifier() -> None:
    written = configs("embedded", instances=4)

    assert written["classifier"].instance_group[0].count == 4
    assert written["tokenizer"].instance_group[0].count == 1


def test_without_texts_no_model_takes_or_gives_byte_tensors() -> None:
    (classifier,) = configs("embedded", texts=False).values()

    tensors = [*classifier.input, *classifier.output]
    assert {tensor.name for tensor in tensors} == {"input_ids", "attention_mask", "logits"}
    check_repository([classifier])


def test_only_the_embedded_classifier_batches_over_different_lengths() -> None:
    ragged = {
        form: {tensor.allow_ragged_batch for tensor in configs(form)["classifier"].input}
        for form in FORMS
    }

    assert ragged == {"embedded": {True}, "native-cpu": {False}, "native-tensorrt": {False}}


def test_a_field_triton_does_not_know_is_refused_with_its_place() -> None:
    with pytest.raises(ConfigError, match=r"config\.pbtxt: .*1:1.*dynamic_batch"):
        parse_config("dynamic_batch { }", "config.pbtxt")


def change_a_type(models: dict[str, pb.ModelConfig]) -> None:
    models["tokenizer"].output[0].data_type = pb.TYPE_INT32


def drop_the_tokenizer(models: dict[str, pb.ModelConfig]) -> None:
    del models["tokenizer"]


def drop_an_input_map(models: dict[str, pb.ModelConfig]) -> None:
    del models["text_classifier"].ensemble_scheduling.step[1].input_map["attention_mask"]


def map_an_output_that_is_not_there(models: dict[str, pb.ModelConfig]) -> None:
    models["text_classifier"].ensemble_scheduling.step[0].output_map["token_types"] = "types"


def shrink_the_classifier(models: dict[str, pb.ModelConfig]) -> None:
    models["classifier"].max_batch_size = 8


def batch_nothing(models: dict[str, pb.ModelConfig]) -> None:
    models["tokenizer"].max_batch_size = 0


def prefer_a_batch_that_is_too_large(models: dict[str, pb.ModelConfig]) -> None:
    models["classifier"].dynamic_batching.preferred_batch_size.append(64)


def cache_answers(models: dict[str, pb.ModelConfig]) -> None:
    models["classifier"].response_cache.enable = True


def put_the_accelerator_on_the_cpu(models: dict[str, pb.ModelConfig]) -> None:
    models["classifier"].instance_group[0].kind = pb.ModelInstanceGroup.KIND_CPU


def shorten_the_profile(models: dict[str, pb.ModelConfig]) -> None:
    accelerators = models["classifier"].optimization.execution_accelerators
    accelerators.gpu_execution_accelerator[0].parameters["trt_profile_max_shapes"] = (
        "input_ids:16x128,attention_mask:16x128"
    )


def forget_an_input_in_the_profile(models: dict[str, pb.ModelConfig]) -> None:
    accelerators = models["classifier"].optimization.execution_accelerators
    accelerators.gpu_execution_accelerator[0].parameters["trt_profile_min_shapes"] = "input_ids:1x8"


def empty_the_dims(models: dict[str, pb.ModelConfig]) -> None:
    del models["classifier"].output[0].dims[:]


@pytest.mark.parametrize(
    ("mistake", "problem"),
    [
        (change_a_type, "tensor input_ids changes its type or shape"),
        (drop_the_tokenizer, "step tokenizer: there is no such model"),
        (drop_an_input_map, "step classifier: expected its inputs"),
        (map_an_output_that_is_not_there, "step tokenizer: it has no output token_types"),
        (shrink_the_classifier, "step classifier: its max_batch_size is below the ensemble's"),
        (batch_nothing, "tokenizer: expected max_batch_size of at least 1"),
        (prefer_a_batch_that_is_too_large, r"preferred_batch_size \[64\] is outside 1..32"),
        (cache_answers, "the response cache is on"),
        (put_the_accelerator_on_the_cpu, "a GPU accelerator needs an instance_group of KIND_GPU"),
        (shorten_the_profile, "the TensorRT profile of input_ids ends below max_batch_size"),
        (forget_an_input_in_the_profile, "expected TensorRT min, opt and max shapes of"),
        (empty_the_dims, "logits: expected dims of -1 or positive sizes"),
    ],
)
def test_a_mistake_in_a_repository_is_named(
    mistake: Callable[[dict[str, pb.ModelConfig]], None], problem: str
) -> None:
    models = configs("native-tensorrt")
    mistake(models)

    with pytest.raises(ConfigError, match=problem):
        check_repository(list(models.values()))
