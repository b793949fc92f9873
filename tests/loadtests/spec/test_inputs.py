"""Where the files that an experiment names are looked for: beside it, then in the run's folder."""

import errno
import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadtests.records.stored import RecordError
from loadtests.run.manifest import SAME_ON_RESUME, changed_since
from loadtests.spec.experiment import Experiment
from loadtests.spec.file import read_experiment, stored_experiment
from loadtests.spec.inputs import keep_inputs
from loadtests.spec.overrides import with_overrides
from servers.device_curve import curve_named, curve_toml

TEXT = """
name = "own-texts"
contenders = ["null-http"]
reference = "null-http"
texts = "mine.txt"
model = "my-model"
[load]
rates_rps = [2]
[load.arrivals]
kind = "trace"
file = "trace.csv"
scaled = true
"""
SIMULATED = """
[[variants]]
name = "NAME"
base = "triton"
engine = "replay"
options = { curve = "CURVE" }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "experiments"
    (made / "my-model").mkdir(parents=True)
    (made / "mine.txt").write_text("hello\n")
    (made / "trace.csv").write_text("0\n0.2\n1.0\n")
    (made / "own.toml").write_text(TEXT)
    return made


@pytest.fixture
def experiment(folder: Path) -> Experiment:
    return read_experiment(folder / "own.toml")


def test_texts_and_model_lie_beside_the_experiment(experiment: Experiment, folder: Path) -> None:
    assert experiment.texts == str(folder / "mine.txt")
    assert experiment.model == str(folder / "my-model")


def test_a_relative_experiment_file_names_whole_paths(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert read_experiment(Path("own.toml")).texts == str(folder / "mine.txt")


def test_a_model_that_is_no_folder_is_a_name(folder: Path) -> None:
    (folder / "own.toml").write_text(TEXT.replace("my-model", "bert/base"))
    assert read_experiment(folder / "own.toml").model == "bert/base"


def test_the_command_line_counts_from_the_working_directory(
    experiment: Experiment, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    changed = with_overrides(experiment, "my-model", Path("other.txt"))
    assert (changed.texts, changed.model) == (str(folder / "other.txt"), str(folder / "my-model"))
    assert with_overrides(experiment, "small", None).model == "small"


def test_a_run_that_was_moved_finds_its_files_when_the_others_are_gone(
    experiment: Experiment, folder: Path, tmp_path: Path
) -> None:
    run, moved = tmp_path / "run", tmp_path / "moved"
    run.mkdir()
    keep_inputs(experiment, run)
    for name in ("mine.txt", "trace.csv"):
        (folder / name).unlink()
    run.rename(moved)

    found = stored_experiment(experiment.model_dump(mode="json"), moved)

    assert found.texts == str(moved / "inputs/texts/mine.txt")
    assert Path(found.texts).read_text() == "hello\n"
    assert found.load.arrivals.mean_rate_rps == 2  # type: ignore[union-attr]  # it is a trace
    keep_inputs(found, moved)  # what is kept is kept


def test_a_run_keeps_the_files_of_curves_of_one_name_apart(folder: Path, tmp_path: Path) -> None:
    """Names of curves, which come with the study, stay names."""
    shipped = "t4-fp16-tensorrt"
    labels = {}
    for name, source in (("one", "first"), ("two", "second")):
        (folder / name).mkdir()
        own = replace(curve_named(shipped), source=source)
        (folder / name / "own.toml").write_text(curve_toml(own))
        labels[name] = own.label
    curves = {"one": "one/own.toml", "two": "two/own.toml", "three": shipped}
    variants = (SIMULATED.replace("NAME", n).replace("CURVE", c) for n, c in curves.items())
    (folder / "own.toml").write_text(TEXT + "".join(variants))
    experiment = read_experiment(folder / "own.toml")
    keep_inputs(experiment, tmp_path)
    shutil.rmtree(folder)

    found = stored_experiment(experiment.model_dump(mode="json"), tmp_path)

    kept = {variant.name: str(variant.options["curve"]) for variant in found.variants}
    assert kept.pop("three") == shipped
    assert {name: curve_named(path).label for name, path in kept.items()} == labels


def test_the_same_curve_in_another_place_changes_nothing(folder: Path) -> None:
    variant = SIMULATED.replace("NAME", "simulated")
    (folder / "mine.toml").write_text(curve_toml(curve_named("t4-fp16-tensorrt")))
    (folder / "own.toml").write_text(TEXT + variant.replace("CURVE", "mine.toml"))
    same: dict[str, Any] = dict.fromkeys(SAME_ON_RESUME, {"digest": "a"})
    then = read_experiment(folder / "own.toml").model_dump(mode="json")
    now = deepcopy(then)
    now["variants"][0]["options"]["curve"] = "/elsewhere/mine.toml"
    assert changed_since(same | {"experiment": then}, same | {"experiment": now}) is None
    now["variants"][0]["options"]["curve"] = "/elsewhere/other.toml"
    assert changed_since(same | {"experiment": then}, same | {"experiment": now})


def test_a_run_without_copies_looks_where_its_files_were(
    experiment: Experiment, tmp_path: Path
) -> None:
    assert stored_experiment(experiment.model_dump(mode="json"), tmp_path) == experiment


def test_texts_that_vanish_before_the_run_begins_are_named(
    experiment: Experiment, folder: Path, tmp_path: Path
) -> None:
    (folder / "mine.txt").unlink()
    with pytest.raises(RecordError, match=f"expected the texts of the experiment at {folder}"):
        keep_inputs(experiment, tmp_path)


def test_the_same_files_in_another_place_change_nothing(experiment: Experiment) -> None:
    same: dict[str, Any] = dict.fromkeys(SAME_ON_RESUME, {"digest": "a"})
    before = same | {"experiment": experiment.model_dump(mode="json")}
    elsewhere = experiment.model_copy(update={"texts": "/elsewhere/mine.txt"})
    other = experiment.model_copy(update={"texts": "/elsewhere/yours.txt"})

    assert changed_since(before, before | {"experiment": elsewhere.model_dump(mode="json")}) is None
    changed = changed_since(before, before | {"experiment": other.model_dump(mode="json")})
    assert changed == "experiment: found now texts = 'yours.txt', the run has 'mine.txt'"
    assert "traffic" in str(changed_since(before, before | {"traffic": {"digest": "other"}}))


def test_a_copy_that_the_disk_had_no_room_for_is_not_taken_for_the_file(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:2])
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    with monkeypatch.context() as patched:
        patched.setattr("shutil.copyfile", half)
        with pytest.raises(OSError, match="No space"):
            keep_inputs(experiment, tmp_path / "run")
    keep_inputs(experiment, tmp_path / "run")
    assert (tmp_path / "run" / "inputs" / "texts" / "mine.txt").read_text() == "hello\n"


def test_a_model_whose_name_no_file_can_have_is_a_name(folder: Path) -> None:
    (folder / "own.toml").write_text(TEXT.replace("my-model", "x" * 300))
    assert read_experiment(folder / "own.toml").model == "x" * 300
