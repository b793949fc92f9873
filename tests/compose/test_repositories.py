"""The native repositories that `prepare` writes, and how the Triton services mount them."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tritonclient.grpc import model_config_pb2 as pb

from loadtests.spec.contenders import resolve_contenders
from loadtests.spec.file import read_experiment
from servers.contract import MODEL_NAME
from servers.discovery import discover
from servers.triton_service.checks import parse_config

LABELS = ("refund", "delivery", "other")
Configs = dict[str, pb.ModelConfig]
Merge = Callable[..., dict[str, Any]]


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    """The files a repository is made of; their content does not matter to its configuration."""
    folder = tmp_path / "cache" / "small-0123"
    folder.mkdir(parents=True)
    labels = {str(index): label for index, label in enumerate(LABELS)}
    (folder / "config.json").write_text(json.dumps({"id2label": labels}))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.onnx").write_bytes(b"onnx")
    return folder


@pytest.fixture
def written(tmp_path: Path, model_dir: Path, prepare: ModuleType) -> dict[str, Configs]:
    assert prepare.write_repositories(tmp_path / "repositories", model_dir, threads=3) == 0
    return {form: _read(tmp_path / "repositories" / form) for form in prepare.FORMS}


def _read(repository: Path) -> Configs:
    paths = repository.glob("*/config.pbtxt")
    return {path.parent.name: parse_config(path.read_text(), str(path)) for path in paths}


def _triton(project: Merge, form: str) -> dict[str, Any]:
    profile, name = {"native-cpu": ("cpu", "triton"), "native-tensorrt": ("gpu", "triton-gpu")}[
        form
    ]
    return dict(project("triton.yaml", profile=profile)["services"][name])


def test_both_repositories_serve_the_contract_from_the_native_backend(
    written: dict[str, Configs],
) -> None:
    for configs in written.values():
        assert configs[MODEL_NAME].platform == "ensemble"
        assert [tensor.name for tensor in configs[MODEL_NAME].output] == ["LABEL", "CONFIDENCE"]
        assert configs["classifier"].backend == "onnxruntime"
        assert list(configs["classifier"].output[0].dims) == [len(LABELS)]


def test_the_gateway_finds_its_model_in_both(written: dict[str, Configs]) -> None:
    from servers.hybrid_gateway.triton_model import MODEL

    for configs in written.values():
        assert {tensor.name for tensor in configs[MODEL].input} == {"input_ids", "attention_mask"}
        assert [tensor.name for tensor in configs[MODEL].output] == ["logits"]


def test_the_cpu_classifier_gets_the_threads_of_the_server_cores(
    written: dict[str, Configs],
) -> None:
    parameters = written["native-cpu"]["classifier"].parameters
    assert parameters["intra_op_thread_count"].string_value == "3"


def test_the_largest_batches_are_those_of_the_embedded_study(
    written: dict[str, Configs], root: Path
) -> None:
    gpu = read_experiment(root / "loadtests" / "experiments" / "gpu.toml")
    on_gpu = resolve_contenders(gpu)["triton-tensorrt-fp16"]
    expected = {
        "native-cpu": discover()["triton"].options["max_batch_size"],
        "native-tensorrt": on_gpu.options["max_batch_size"],
    }
    assert {form: written[form]["classifier"].max_batch_size for form in written} == expected


@pytest.mark.parametrize("form", ["native-cpu", "native-tensorrt"])
def test_a_gpu_is_reserved_exactly_where_a_model_asks_for_one(
    form: str, written: dict[str, Configs], project: Merge
) -> None:
    kinds = {group.kind for config in written[form].values() for group in config.instance_group}
    needs_gpu = pb.ModelInstanceGroup.KIND_GPU in kinds
    assert needs_gpu == ("deploy" in _triton(project, form))
    assert needs_gpu == (form == "native-tensorrt")


@pytest.mark.parametrize("form", ["native-cpu", "native-tensorrt"])
def test_triton_serves_the_folder_that_prepare_writes(form: str, project: Merge) -> None:
    service = _triton(project, form)
    served = next(flag for flag in service["command"] if flag.startswith("--model-repository="))
    source = next(
        volume.split(":")[0] for volume in service["volumes"] if volume.split(":")[1] in served
    )
    assert f"{source}:/repositories/{form}" in project()["services"]["prepare"]["volumes"]


def test_tensorrt_keeps_its_engines_on_a_writable_volume(
    written: dict[str, Configs], project: Merge
) -> None:
    execution = written["native-tensorrt"]["classifier"].optimization.execution_accelerators
    (accelerator,) = execution.gpu_execution_accelerator
    assert accelerator.name == "tensorrt"
    folders = {value for key, value in accelerator.parameters.items() if key.endswith("_path")}
    assert len(folders) == 2
    mounts = dict(
        volume.split(":", 1)[1].partition(":")[::2]
        for volume in _triton(project, "native-tensorrt")["volumes"]
    )
    for folder in folders:
        (mode,) = {how for target, how in mounts.items() if folder.startswith(f"{target}/")}
        assert mode != "ro"


def test_engines_are_built_before_the_first_request(written: dict[str, Configs]) -> None:
    classifier = written["native-tensorrt"]["classifier"]
    warmed = {dict(warmup.inputs)["input_ids"].dims[0] for warmup in classifier.model_warmup}
    assert warmed
    (accelerator,) = classifier.optimization.execution_accelerators.gpu_execution_accelerator
    assert f"x{max(warmed)}," in accelerator.parameters["trt_profile_max_shapes"]
    assert f"x{min(warmed)}," in accelerator.parameters["trt_profile_min_shapes"]


def test_the_image_fits_the_configurations(written: dict[str, Configs], compose_dir: Path) -> None:
    """precision_mode needs TensorRT 10, which ends before 26.06; a queue timeout would need the
    dynamic batcher of 26.08 or later (server issue 8870)."""
    text = (compose_dir / "triton.Dockerfile").read_text()
    year, month = re.findall(r"^FROM \S+:(\d+)\.(\d+)-py3$", text, re.MULTILINE)[0]
    assert (26, 4) <= (int(year), int(month)) < (26, 6)
    classifier = written["native-tensorrt"]["classifier"]
    (accelerator,) = classifier.optimization.execution_accelerators.gpu_execution_accelerator
    assert accelerator.parameters["precision_mode"] == "FP16"
    for configs in written.values():
        for config in configs.values():
            policy = config.dynamic_batching.default_queue_policy
            assert policy.default_timeout_microseconds == 0


def test_the_image_has_what_the_python_models_import(
    tmp_path: Path, written: dict[str, Configs], compose_dir: Path
) -> None:
    code = "".join(path.read_text() for path in (tmp_path / "repositories").glob("*/*/*/*.py"))
    imported = set(re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE))
    text = (compose_dir / "triton.Dockerfile").read_text()
    for package in {"numpy", "tokenizers"} & imported:
        assert re.search(rf"^ .*\b{package}\b", text, re.MULTILINE)
    assert "tokenizers" in imported
    assert not {"onnxruntime", "torch", "transformers"} & imported


def test_preparing_again_leaves_nothing_of_the_last_time(
    tmp_path: Path, model_dir: Path, prepare: ModuleType
) -> None:
    repositories = tmp_path / "repositories"
    stale = repositories / "native-cpu" / "old_model"
    stale.mkdir(parents=True)
    (stale / "config.pbtxt").write_text("")
    assert prepare.write_repositories(repositories, model_dir, threads=1) == 0
    assert not stale.exists()
    assert (repositories / "native-cpu" / MODEL_NAME / "config.pbtxt").is_file()


def test_preparing_without_a_model_file_fails_with_a_sentence(
    tmp_path: Path, model_dir: Path, prepare: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    (model_dir / "model.onnx").unlink()
    assert prepare.write_repositories(tmp_path / "repositories", model_dir, threads=1) == 2
    assert "model.onnx" in capsys.readouterr().err


def test_the_names_in_commands_follow_the_last_model(
    tmp_path: Path, model_dir: Path, prepare: ModuleType
) -> None:
    traffic = tmp_path / "cache" / "traffic-1" / "traffic.jsonl"
    traffic.parent.mkdir()
    traffic.write_text("one")
    prepare.link(tmp_path, tmp_path / "cache", traffic)
    prepare.link(tmp_path, model_dir, traffic)
    assert (tmp_path / "model").resolve() == model_dir
    assert (tmp_path / "traffic.jsonl").read_text() == "one"
    # Relative, so that a volume can be mounted elsewhere.
    assert not (tmp_path / "model").readlink().is_absolute()
