import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError
from transformers import BertModel

from servers.classifier import load_classifier
from servers.classifier.__main__ import main
from servers.classifier.artefacts import digest_of_files
from servers.classifier.build import build_model, model_digest
from servers.classifier.errors import ClassifierError, libraries_refuse
from servers.classifier.model_info import read_model_info
from servers.classifier.model_sources import Checkpoint, Seeded, Trained, resolve_model
from servers.classifier.model_specs import BASE, SMALL, NetworkSpec, TrainingSpec
from servers.classifier.training import seeded_network
from servers.classifier.vocabulary import build_vocabulary, save_tokenizer

Files = set[str]


@pytest.fixture
def checkpoint(tmp_path: Path, tiny_network: NetworkSpec) -> Callable[..., Path]:
    """Writes a folder in the Hugging Face format, two labels, as a user would bring one."""

    def write(network: NetworkSpec = tiny_network, head: bool = True) -> Path:
        folder = tmp_path / "brought"
        folder.mkdir()
        vocabulary = build_vocabulary(["some words"])
        save_tokenizer(vocabulary, folder, max_length=128)
        model = seeded_network(network, len(vocabulary), ["no", "yes"], seed=1)
        (model if head else BertModel(model.config)).save_pretrained(folder)
        return folder

    return write


def test_the_small_model_is_trained_and_complete(small_model_dir: Path, study_seed: int) -> None:
    info = read_model_info(small_model_dir)
    assert (info.name, info.weights, info.notes, info.seed) == ("small", "trained", (), study_seed)
    assert info.accuracy is not None
    assert info.accuracy >= 0.95
    assert small_model_dir.name == f"small-{info.digest}"
    assert {path.name for path in small_model_dir.iterdir()} == {
        "config.json",
        "model.json",
        "model.onnx",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_the_digest_changes_with_the_seed_the_size_and_the_training() -> None:
    training = TrainingSpec()
    digests = {
        model_digest(Trained(SMALL), 1, training),
        model_digest(Trained(SMALL), 2, training),
        model_digest(Trained(replace(SMALL, layers=3)), 1, training),
        model_digest(Trained(SMALL), 1, replace(training, epochs=9)),
        model_digest(Seeded(SMALL), 1, training),
        model_digest(Seeded(SMALL, ("another note",)), 1, training),
    }
    assert len(digests) == 6
    assert model_digest(Trained(SMALL), 1, training) in digests


def test_base_is_bert_base_chinese_with_seeded_weights_and_says_so() -> None:
    source = resolve_model("base")
    assert source == Seeded(BASE)
    assert isinstance(source, Seeded)
    assert any("labels carry no meaning" in note for note in source.notes)
    assert (BASE.layers, BASE.width, BASE.vocabulary_size) == (12, 768, 21128)


def test_a_checkpoint_keeps_its_labels_and_gets_an_onnx_export(
    checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    model_dir = build_model(str(checkpoint()), tmp_path / "cache", seed=1)
    info = read_model_info(model_dir)
    assert (info.name, info.weights, info.notes, info.accuracy) == ("brought", "loaded", (), None)
    answers = [
        load_classifier(model_dir, engine, threads=1).predict(["some words", "好"])
        for engine in ("torch", "onnxruntime")
    ]
    assert [p.label for p in answers[0]] == [p.label for p in answers[1]]
    assert {p.label for p in answers[0]} <= {"no", "yes"}


def test_a_checkpoint_without_a_head_gets_a_seeded_one_and_a_note(
    checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    folder = str(checkpoint(head=False))
    first = build_model(folder, tmp_path / "one", seed=1)
    (note,) = read_model_info(first).notes
    assert "classifier.weight" in note
    assert "labels carry no meaning" in note
    assert len(load_classifier(first, "torch", 1).labels) == 10
    again = build_model(folder, tmp_path / "two", seed=1)
    assert (first / "model.safetensors").read_bytes() == (again / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ({"config.json"}, r"expected a configuration \(config\.json\)"),
        ({"model.safetensors"}, r"expected weights \(model\.safetensors or "),
        ({"tokenizer.json"}, r"expected a tokenizer \(tokenizer\.json or vocab\.txt\)"),
    ],
)
def test_a_checkpoint_that_lacks_a_file_is_refused(
    checkpoint: Callable[..., Path], missing: Files, expected: str
) -> None:
    folder = checkpoint()
    for name in missing:
        (folder / name).unlink()
    with pytest.raises(ClassifierError, match=expected):
        resolve_model(str(folder))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", "{"),
        ("config.json", '{"model_type": "no such thing"}'),
        ("model.safetensors", "garbage"),
        ("tokenizer.json", "{}"),
    ],
)
def test_a_damaged_checkpoint_is_refused_in_one_line(
    checkpoint: Callable[..., Path], tmp_path: Path, name: str, content: str
) -> None:
    folder = checkpoint()
    (folder / name).write_text(content)
    with pytest.raises(ClassifierError, match="expected a text classifier") as refusal:
        build_model(str(folder), tmp_path / "cache", seed=1)
    assert "\n" not in str(refusal.value)
    assert list(tmp_path.glob("cache/*")) == []


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_pointer_of_git_lfs_is_refused_with_the_command_that_fetches_the_file(
    checkpoint: Callable[..., Path], name: str
) -> None:
    folder = checkpoint()
    (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n")
    with pytest.raises(ClassifierError, match=rf"content of {name} .* run `git lfs pull` there"):
        resolve_model(str(folder))


def test_a_pointer_in_a_file_that_is_not_loaded_does_not_matter(
    checkpoint: Callable[..., Path],
) -> None:
    folder = checkpoint()
    (folder / "pytorch_model.bin").write_text("version https://git-lfs.github.com/spec/v1\n")
    assert isinstance(resolve_model(str(folder)), Checkpoint)


def test_a_network_for_too_few_tokens_is_refused(
    checkpoint: Callable[..., Path], tmp_path: Path, tiny_network: NetworkSpec
) -> None:
    folder = checkpoint(replace(tiny_network, max_positions=64))
    with pytest.raises(ClassifierError, match="at least 128 tokens"):
        build_model(str(folder), tmp_path / "cache", seed=1)


def test_a_file_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.touch()
    with pytest.raises(ClassifierError, match="found a file"):
        resolve_model(str(path))


@pytest.fixture
def _no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> str:
        raise LocalEntryNotFoundError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)


@pytest.mark.usefixtures("_no_hub")
def test_a_model_that_the_hub_does_not_give_is_refused() -> None:
    with pytest.raises(ClassifierError, match="'someone/something', which is no folder"):
        resolve_model("someone/something")


@pytest.mark.usefixtures("_no_hub")
@pytest.mark.parametrize("name", ["bert-base-chinese", "google-bert/bert-base-chinese"])
def test_bert_base_chinese_without_the_hub_becomes_its_architecture(name: str) -> None:
    source = resolve_model(name)
    assert isinstance(source, Seeded)
    assert source.spec == BASE
    assert source.notes[0].startswith(f"{name} is unavailable")


def test_a_model_of_the_hub_is_its_downloaded_folder(
    checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkpoint()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(folder))
    assert resolve_model("someone/something") == Checkpoint("someone/something", folder)


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "servers.classifier", *arguments]


def test_the_command_prints_one_json_object(
    small_model_dir: Path, study_cache: Path, study_seed: int
) -> None:
    command = _command("build", "--cache", str(study_cache), "--seed", str(study_seed))
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(ended.stdout)
    assert result["model_dir"] == str(small_model_dir)
    assert set(result) == {"model_dir", "digest", "name", "weights", "notes", "accuracy"}


def test_bad_input_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    command = _command("build", "--model", str(tmp_path), "--cache", str(tmp_path), "--seed", "1")
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("expected a configuration")


def test_what_a_library_raises_for_a_strange_model_is_one_sentence_and_exit_code_2(
    checkpoint: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model_dir = build_model(str(checkpoint()), tmp_path / "cache", seed=1)
    (model_dir / "tokenizer.json").write_text("{}")
    arguments = ["--model-dir", str(model_dir), "--cache", str(tmp_path), "--seed", "1"]
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["traffic", *arguments])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("expected `traffic` to end well, found Exception (")
    assert said.count("\n") == 1


def test_the_words_of_a_library_are_kept_and_a_mistake_of_this_project_stays_a_traceback() -> None:
    refused = pytest.raises(ClassifierError, match="found JSONDecodeError .Expecting property")
    with refused, libraries_refuse("a model", "use another"):
        json.loads("{")
    with pytest.raises(AttributeError), libraries_refuse("a model", "use another"):
        digest_of_files([None])  # type: ignore[list-item]


def test_a_stopped_build_leaves_nothing_behind(tmp_path: Path) -> None:
    process = subprocess.Popen(
        _command("build", "--cache", str(tmp_path), "--seed", "1"),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert any("training the classifier" in line for line in process.stderr)
    assert any(tmp_path.iterdir())
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=60) == 128 + signal.SIGTERM
    process.stderr.close()
    assert list(tmp_path.iterdir()) == []
