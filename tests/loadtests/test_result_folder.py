"""A result is there whole or not at all."""

from pathlib import Path

import pytest

from loadtests.result_folder import whole_or_gone


def test_it_has_its_name_only_once_it_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "calibration-1"
    with whole_or_gone(folder) as unfinished:
        (unfinished / "calibration.json").write_text("{}")
        assert not folder.exists()
    assert [path.name for path in folder.parent.rglob("*")] == [folder.name, "calibration.json"]


def test_nothing_is_left_of_one_that_was_cut_short(tmp_path: Path) -> None:
    def cut_short() -> None:
        with whole_or_gone(tmp_path / "a") as unfinished:
            (unfinished / "half").write_text("{")
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        cut_short()
    assert list(tmp_path.iterdir()) == []
