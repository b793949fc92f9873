"""`study models`: exit codes and sentences; what is generated is tested where it is."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from study import app

MODEL = """\
[[models]]
name = "echo"
backend = "python"
max_batch_size = 8
inputs = [{ name = "x", dtype = "FP32", dims = [1] }]
outputs = [{ name = "y", dtype = "FP32", dims = [1] }]
versions = [{ number = 1, file = "echo.py" }]
batcher = {}
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["models", *arguments])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "echo.py").touch()
    (tmp_path / "models.toml").write_text(MODEL, encoding="utf-8")
    return tmp_path


def test_a_repository_is_written_and_examined(folder: Path) -> None:
    done = run("models.toml", "--out", "repository")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["No findings.", "repository"]
    assert (folder / "repository/echo/1/model.py").is_file()


def test_what_is_served_worse_than_meant_is_said(folder: Path) -> None:
    (folder / "models.toml").write_text(MODEL.replace("batcher = {}\n", ""), encoding="utf-8")
    done = run("models.toml", "--out", "repository")
    assert done.exit_code == 0
    assert "(missing-batcher)" in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "out", "said"),
    [
        ("batcher", "batchers", "new", "models.toml: models.echo.batchers is not a setting"),
        ("echo.py", "gone.py", "new", "models.toml: models.echo.versions.1.file: expected a file"),
        ('"python"', '"onnxruntime"', "new", "models.echo.versions.1: expected an ONNX network"),
        ("", "", ".", "expected "),
    ],
)
def test_what_cannot_be_generated_is_one_sentence_and_code_2(
    folder: Path, old: str, new: str, out: str, said: str
) -> None:
    (folder / "models.toml").write_text(MODEL.replace(old, new) if old else MODEL)
    before = sorted(folder.iterdir())
    done = run("models.toml", "--out", out)
    assert done.exit_code == 2
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(f"study: {said}")
    assert sorted(folder.iterdir()) == before
