"""The repository on disk, and the command that writes one for another machine."""

import json
from pathlib import Path

import pytest

from servers.triton_service.checks import parse_config
from servers.triton_service.config import FORMS
from servers.triton_service.repository import main

PYTHON_FILES = {"model.py", "encoding.py", "config.json"}


@pytest.fixture
def artefacts(tmp_path: Path) -> Path:
    """The files a repository is made from; their content does not matter to the generator."""
    folder = tmp_path / "artefacts"
    folder.mkdir()
    labels = {"id2label": {"0": "a", "1": "b", "2": "c"}}
    (folder / "config.json").write_text(json.dumps(labels), encoding="utf-8")
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    (folder / "model.onnx").write_bytes(b"weights")
    return folder


def write(artefacts: Path, target: Path, form: str, *options: str) -> int:
    return main([f"--model-dir={artefacts}", f"--target={target}", f"--form={form}", *options])


def files(target: Path) -> dict[str, set[str]]:
    return {
        model.name: {path.name for path in (model / "1").iterdir()} for model in target.iterdir()
    }


@pytest.mark.parametrize("form", FORMS)
def test_a_written_repository_holds_every_file_its_models_need(
    artefacts: Path, tmp_path: Path, form: str
) -> None:
    target = tmp_path / "repository"

    assert write(artefacts, target, form) == 0

    of_tokenizer = PYTHON_FILES | {"text_rule.py", "tokenizer.json"}
    expected = {"tokenizer": of_tokenizer, "text_classifier": set()}
    if form == "embedded":
        expected |= {"classifier": {"model.py"}}  # it reads the folder of the model itself
    else:
        expected |= {"classifier": {"model.onnx"}, "decoder": PYTHON_FILES}
    assert files(target) == expected
    for name in expected:
        text = (target / name / "config.pbtxt").read_text(encoding="utf-8")
        assert parse_config(text, name).name == name


def test_the_logits_are_as_wide_as_the_model_has_labels(artefacts: Path, tmp_path: Path) -> None:
    write(artefacts, tmp_path / "repository", "native-cpu")

    text = (tmp_path / "repository/classifier/config.pbtxt").read_text(encoding="utf-8")
    assert list(parse_config(text, "classifier").output[0].dims) == [3]


def test_a_folder_with_files_is_not_overwritten(
    artefacts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository/kept").touch()

    assert write(artefacts, tmp_path / "repository", "embedded") == 2
    assert "to be empty or absent" in capsys.readouterr().err


def test_a_folder_without_the_network_is_refused_by_name(
    artefacts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (artefacts / "model.onnx").unlink()

    assert write(artefacts, tmp_path / "repository", "embedded") == 2
    assert f"expected model.onnx in {artefacts}, found none" in capsys.readouterr().err
    assert not (tmp_path / "repository").exists()


def test_length_buckets_that_cut_texts_short_are_refused(
    artefacts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--length-buckets", "16", "64")

    assert write(artefacts, tmp_path / "repository", "native-cpu", *options) == 2
    assert "expected 128 tokens as the largest length bucket, found 64" in capsys.readouterr().err
