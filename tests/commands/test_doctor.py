"""`study doctor`: exit codes and formats; what it finds is tested where the rules are."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from study import app

GOOD = 'backend: "python"\nmax_batch_size: 8\ndynamic_batching { }\n'


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *arguments])


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models/tok/1").mkdir(parents=True)
    (tmp_path / "models/tok/1/model.py").touch()
    (tmp_path / "models/tok/config.pbtxt").write_text(GOOD)
    return tmp_path / "models"


def test_a_sound_repository_ends_with_code_0(repository: Path) -> None:
    done = run("models")
    assert (done.exit_code, done.stdout) == (0, "No findings.\n")


def test_a_warning_alone_ends_with_code_0(repository: Path) -> None:
    (repository / "tok/config.pbtxt").write_text(GOOD.replace("dynamic_batching { }\n", ""))
    done = run("models")
    assert done.exit_code == 0
    assert "(missing-batcher)" in done.stdout
    assert "0 errors, 1 warning, 0 notes." in done.stdout


@pytest.mark.parametrize("output", ["text", "json", "sarif"])
def test_an_error_ends_with_code_1_in_every_format(repository: Path, output: str) -> None:
    (repository / "tok/config.pbtxt").write_text('name: "other"\n' + GOOD)
    done = run("models", "--format", output)
    assert done.exit_code == 1
    assert "model-name" in done.stdout
    if output != "text":
        assert json.loads(done.stdout)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "expected a path or URL to examine"),
        (("nowhere",), "expected nowhere to exist"),
        (("--explain", "segmentation fault"), "expected a message of Triton"),
        (("--explain", "model not found", "--format", "sarif"), "expected --format text or json"),
        (("models", "--client", "nowhere.py"), "expected to read nowhere.py"),
        (("models", "--triton", "latest"), "expected --triton to be a release"),
    ],
)
def test_what_cannot_be_examined_is_one_sentence_and_code_2(
    repository: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(f"study: {said}")


def test_a_message_is_explained(repository: Path) -> None:
    done = run("--explain", "dynamic batching disabled")
    assert done.exit_code == 0
    assert "Triton does not say this; guides do." in done.stdout
    told = json.loads(run("--explain", "dynamic batching disabled", "--format", "json").stdout)
    assert (told["message"], told["real"]) == ("guide-batching-disabled", False)


def test_a_folder_that_cannot_be_read_is_a_sentence(repository: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads every folder")
    repository.chmod(0)
    try:
        assert run("models").exit_code == 2
    finally:
        repository.chmod(0o755)
