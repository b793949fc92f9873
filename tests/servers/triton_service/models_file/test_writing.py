"""The model repository of a models file: whole and without findings, or not there."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from servers.triton_service.checks import parse_config
from servers.triton_service.doctor.reading.sources import read_sources
from servers.triton_service.doctor.rules import examine
from servers.triton_service.models_file.reading import read_models_file
from servers.triton_service.models_file.strict import ModelsFileError
from servers.triton_service.models_file.writing import write_models

Write = Callable[..., Path]
REMEDY = "; correct the file, or name another network."


def files_in(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def refusal(path: Path, target: Path, embedded: bool = False) -> str:
    """Why it is not written; nothing is left beside what was there."""
    before = sorted(target.parent.iterdir())
    with pytest.raises(ModelsFileError) as refused:
        write_models(read_models_file(path), target, embedded)
    assert sorted(target.parent.iterdir()) == before
    return str(refused.value)


@pytest.mark.parametrize("embedded", [False, True], ids=["native", "embedded"])
def test_the_doctor_finds_nothing_in_the_generated_trio(tmp_path: Path, embedded: bool) -> None:
    target = tmp_path / "models"
    write_models(read_models_file(Path("trio-small")), target, embedded)
    files = ["1/model.onnx", *(["1/model.py"] if embedded else []), "config.pbtxt"]
    names = ("classifier", "recommender", "vision")
    assert files_in(target) == [f"{name}/{file}" for name in names for file in files]
    found = examine(read_sources([str(target)]))
    assert [(each.rule.id, each.found.message) for each in found] == []
    backend = "python" if embedded else "onnxruntime"
    for name in names:
        text = (target / name / "config.pbtxt").read_text(encoding="utf-8")
        assert parse_config(text, name).backend == backend


def test_every_version_has_a_folder_of_its_number(models_file: Write, tmp_path: Path) -> None:
    path = models_file(
        '[{ number = 1, file = "bert.onnx" }]',
        '[{ number = 1, file = "bert.onnx" }, { number = 7, file = "bert.onnx" }]',
    )
    write_models(read_models_file(path), tmp_path / "out/models")
    assert files_in(tmp_path / "out/models") == [
        "bert/1/model.onnx",
        "bert/7/model.onnx",
        "bert/config.pbtxt",
    ]


def test_code_of_a_python_model_gets_the_name_that_triton_looks_for(
    models_file: Write, tmp_path: Path
) -> None:
    path = models_file('backend = "onnxruntime"', 'backend = "python"')
    path.write_text(path.read_text().replace("bert.onnx", "code.py"))
    (tmp_path / "code.py").write_text("# code\n")
    write_models(read_models_file(path), tmp_path / "models")
    assert (tmp_path / "models/bert/1/model.py").read_text() == "# code\n"


UNFIT = {
    "dtype": (
        '"INT64"',
        '"FP32"',
        "expected TYPE_INT64 for the input ids, as the network has it, found TYPE_FP32",
    ),
    "name": ('"ids"', '"tokens"', "expected the network's inputs ids, found tokens"),
    "rank": (
        "[4]",
        "[1, 4]",
        "expected dims [4] for the input ids, as the network has them, found [1, 4]; dims leave "
        "the batch dimension out when max_batch_size is above 0",
    ),
    "size of an output": (
        "dims = [2]",
        "dims = [3]",
        "expected dims [2] for the output logits, as the network has them, found [3]",
    ),
    "no batch": (
        "max_batch_size = 8",
        "max_batch_size = 0",
        "expected dims [-1, 4] for the input ids, as the network has them, found [4]",
    ),
}


@pytest.mark.parametrize(("old", "new", "said"), UNFIT.values(), ids=UNFIT)
def test_a_network_that_differs_from_what_is_declared_is_refused(
    models_file: Write, tmp_path: Path, old: str, new: str, said: str
) -> None:
    sentence = refusal(models_file(old, new), tmp_path / "models")
    assert sentence == f"models.bert.versions.1: {said}{REMEDY}"


def test_a_version_that_is_not_served_must_fit_as_well(models_file: Write, tmp_path: Path) -> None:
    path = models_file(
        'dims = [2] }]\nversions = [{ number = 1, file = "bert.onnx" }]',
        'dims = [3] }]\nversions = [{ number = 1, file = "bert.onnx" }, '
        '{ number = 2, file = "bert.onnx" }]\nversion_policy = { specific = [2] }',
    )
    assert "models.bert.versions.1: expected dims [2]" in refusal(path, tmp_path / "models")


def test_a_generated_network_is_held_against_what_is_declared_as_well(tmp_path: Path) -> None:
    """The fault of the guide's generator: every input is FP32."""
    models = read_models_file(Path("trio-small"))
    recommender = models.models[2]
    wrong = tuple(tensor.model_copy(update={"dtype": "FP32"}) for tensor in recommender.inputs)
    changed = models.model_copy(
        update={"models": (recommender.model_copy(update={"inputs": wrong}),)}
    )
    with pytest.raises(ModelsFileError, match="expected TYPE_INT64 for the input categories"):
        write_models(changed, tmp_path / "models")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_network_is_refused(models_file: Write, tmp_path: Path) -> None:
    path = models_file()
    (tmp_path / "bert.onnx").write_bytes(b"\xff\xff\xff")
    assert refusal(path, tmp_path / "models").startswith(
        f"models.bert.versions.1: expected an ONNX network in {tmp_path}/bert.onnx, found "
    )


def test_weights_in_a_file_of_their_own_are_copied_or_missed(
    models_file: Write, tmp_path: Path
) -> None:
    path = models_file(external="bert.weights")
    assert refusal(path, tmp_path / "models") == (
        "models.bert.versions.1: expected the weights of the network in bert.weights beside "
        f"{tmp_path}/bert.onnx, found none there that can be copied; copy it, too, or export "
        "the network as one file."
    )
    (tmp_path / "bert.weights").write_bytes(b"1234")
    write_models(read_models_file(path), tmp_path / "models")
    assert (tmp_path / "models/bert/1/bert.weights").read_bytes() == b"1234"


def test_weights_that_lie_elsewhere_are_not_read(models_file: Write, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"1234")
    path = models_file(external=f"../{tmp_path.name}/secret")
    assert "expected the weights of the network in ../" in refusal(path, tmp_path / "models")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("onnxruntime", "tensorrt", 'backend = "onnxruntime" or "python" for --embedded'),
        ("versions", 'instances = { kind = "gpu" }\nversions', 'kind = "cpu" for --embedded'),
        ('"INT64"', '"STRING"', "tensors of numbers for --embedded"),
    ],
)
def test_what_the_embedded_triton_cannot_serve_is_refused(
    models_file: Write, tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert said in refusal(models_file(old, new), tmp_path / "models", embedded=True)


def test_an_empty_folder_is_filled_and_any_other_is_left_alone(
    models_file: Write, tmp_path: Path
) -> None:
    path, target = models_file(), tmp_path / "models"
    target.mkdir()
    write_models(read_models_file(path), target)
    written = files_in(target)
    assert "bert/config.pbtxt" in written
    assert refusal(path, target).startswith(
        f"expected {target} to be a new or an empty folder, found something there"
    )
    assert refusal(path, path).startswith(f"expected {path} to be a new or an empty folder")
    assert files_in(target) == written


def test_what_is_stopped_half_way_leaves_nothing(
    models_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, before = read_models_file(models_file()), sorted(tmp_path.iterdir())

    def stopped(source: Any, target: Any) -> None:
        Path(target).touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfile", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_models(models, tmp_path / "models")
    assert sorted(tmp_path.iterdir()) == before
