from pathlib import Path

import pytest

from loadtests.live.runs import saved, unsaved_folder, unsaved_in_words
from loadtests.live.web import UiError


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = unsaved_folder(tmp_path) / "browser-1"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}", encoding="utf-8")
    return folder


def test_a_saved_run_lies_among_the_others_whole(tmp_path: Path, run: Path) -> None:
    assert "1 unsaved run of earlier sessions" in unsaved_in_words(tmp_path)
    assert saved(run, tmp_path) == tmp_path / "browser-1"
    assert (tmp_path / "browser-1" / "manifest.json").exists()
    assert unsaved_in_words(tmp_path) == ""


def test_a_run_of_that_name_is_not_overwritten(tmp_path: Path, run: Path) -> None:
    (tmp_path / "browser-1").mkdir()
    with pytest.raises(UiError, match="expected no run at"):
        saved(run, tmp_path)
    assert (run / "manifest.json").exists()
