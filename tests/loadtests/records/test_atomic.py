"""A result is there whole or not at all."""

from contextlib import suppress
from pathlib import Path

import pytest

from loadtests.records.atomic import new_folder, replacing, whole_or_gone
from loadtests.records.run_folder import forget_failed, remove_unfinished
from loadtests.records.stored import RecordError
from loadtests.records.trials import Level, TrialRecord, write_trial


def test_it_has_its_name_only_once_it_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "calibration-1"
    with whole_or_gone(folder) as (unfinished, _):
        (unfinished / "calibration.json").write_text("{}")
        assert not folder.exists()
    assert [path.name for path in folder.parent.rglob("*")] == [folder.name, "calibration.json"]


def test_two_that_are_begun_with_one_name_both_get_one(tmp_path: Path) -> None:
    wanted = tmp_path / "colocation-1"
    with whole_or_gone(wanted) as (one, first), whole_or_gone(wanted) as (other, second):
        (one / "colocation.json").write_text("first")
        (other / "colocation.json").write_text("second")
    with whole_or_gone(wanted) as (_, third):
        pass
    assert [path.name for path in (first, second, third)] == [
        "colocation-1",
        "colocation-1-2",
        "colocation-1-3",
    ]
    assert (first / "colocation.json").read_text() == "first"
    assert (second / "colocation.json").read_text() == "second"


def test_a_new_folder_takes_the_next_name_that_nobody_has(tmp_path: Path) -> None:
    wanted = tmp_path / "results" / "run"
    made = [new_folder(wanted).name for _ in range(3)]
    assert made == ["run", "run-2", "run-3"]


def test_nothing_is_left_of_one_that_was_cut_short(tmp_path: Path) -> None:
    def cut_short() -> None:
        with whole_or_gone(tmp_path / "a") as (unfinished, _):
            (unfinished / "half").write_text("{")
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        cut_short()
    assert list(tmp_path.iterdir()) == []


def test_a_replaced_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_text("old")
    with suppress(RuntimeError), replacing(path) as unfinished:
        unfinished.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    with replacing(path) as unfinished:
        unfinished.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_planted_link_is_replaced_and_what_it_leads_to_is_left_alone(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "summary.json"
    victim.write_text("mine")
    for planted in (path, tmp_path / ".summary.json.unfinished", tmp_path / ".summary.json"):
        planted.symlink_to(victim)
    with replacing(path) as unfinished:
        unfinished.write_text("new")
    assert victim.read_text() == "mine"
    assert not path.is_symlink()
    assert path.read_text() == "new"


def test_a_planted_link_is_removed_with_what_a_killed_run_left_and_not_followed(
    tmp_path: Path,
) -> None:
    mine, trials = tmp_path / "mine", tmp_path / "run" / "trials"
    for folder in (mine, trials / ".r1-a-30rps"):
        folder.mkdir(parents=True)
        (folder / "requests.parquet").touch()
    (trials / ".planted").symlink_to(mine)
    remove_unfinished(tmp_path / "run")
    assert list(trials.iterdir()) == []
    assert (mine / "requests.parquet").exists()


def test_behind_a_link_in_place_of_a_runs_trials_nothing_is_removed(tmp_path: Path) -> None:
    """Resuming a run that somebody else made must not empty a folder of the person's own."""
    (tmp_path / "home" / ".config").mkdir(parents=True)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "trials").symlink_to(tmp_path / "home")
    with pytest.raises(RecordError, match="found a link"):
        remove_unfinished(tmp_path / "run")
    with pytest.raises(RecordError, match="found a link"):
        forget_failed(tmp_path / "run")
    assert (tmp_path / "home" / ".config").exists()


def test_a_failed_trial_that_is_a_link_goes_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    level = Level("open", rate_rps=30)
    contender = {
        **{"name": "a", "server": "a", "protocol": "http-json", "engine": "none"},
        **{"setting": "tuned", "batching": False, "summary": "", "components": 1},
    }
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    failed = TrialRecord("r1-a-30rps", "measurement", contender, level, 1, 1, "failed")
    write_trial(elsewhere, failed)
    (tmp_path / "run" / "trials").mkdir(parents=True)
    link = tmp_path / "run" / "trials" / failed.trial_id
    link.symlink_to(elsewhere)
    forget_failed(tmp_path / "run")
    assert not link.is_symlink()
    assert (elsewhere / "trial.json").exists()
