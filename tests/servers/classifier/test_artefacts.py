import errno
import os
import threading
from pathlib import Path

import pytest

from servers.classifier.artefacts import cached_folder, digest_of, digest_of_files
from servers.classifier.errors import ClassifierError


def _write_marker(folder: Path) -> None:
    (folder / "marker").write_text("complete")


def test_a_folder_is_made_once(tmp_path: Path) -> None:
    made: list[Path] = []
    for _ in range(2):
        folder = cached_folder(tmp_path, "name", made.append)
    assert folder == tmp_path / "name"
    assert len(made) == 1


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_interrupted_make_leaves_nothing_behind(
    tmp_path: Path, interruption: type[BaseException]
) -> None:
    def make(folder: Path) -> None:
        _write_marker(folder)
        raise interruption

    with pytest.raises(interruption):
        cached_folder(tmp_path, "name", make)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    def left_behind(folder: Path) -> None:
        _write_marker(folder)
        folder.rename(tmp_path / "killed")  # as if nobody had been left to clean up
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_folder(tmp_path, "name", left_behind)
    (tmp_path / "killed").rename(tmp_path / ".unfinished-name")
    folder = cached_folder(tmp_path, "name", _write_marker)
    assert list(tmp_path.iterdir()) == [folder]


def test_a_second_build_waits_for_the_first_and_reuses_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started, finish = threading.Event(), threading.Event()
    made: list[str] = []

    def slow(folder: Path) -> None:
        started.set()
        finish.wait(timeout=30)
        made.append("first")
        _write_marker(folder)

    def second(folder: Path) -> None:
        made.append("second")

    builds = [
        threading.Thread(target=cached_folder, args=(tmp_path, "name", make))
        for make in (slow, second)
    ]
    builds[0].start()
    assert started.wait(timeout=30)
    builds[1].start()
    waiting = ""
    while builds[1].is_alive() and "waiting for another build" not in waiting:
        waiting += capsys.readouterr().err
    finish.set()
    for build in builds:
        build.join(timeout=30)
    assert made == ["first"]
    assert (tmp_path / "name" / "marker").read_text() == "complete"


def test_a_digest_does_not_depend_on_the_order_of_ingredients() -> None:
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1}) != digest_of({"a": 1})


def test_a_digest_changes_with_the_content_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_text("one")
    before = digest_of_files([path])
    path.write_text("two")
    assert digest_of_files([path]) != before


def test_a_digest_is_had_of_a_name_that_is_no_utf_8() -> None:
    assert digest_of({"model": "a\udce9"}) != digest_of({"model": "a"})


def test_a_cache_that_cannot_be_is_one_sentence_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for cache in (tmp_path / "file", tmp_path / "file/cache"):
        with pytest.raises(ClassifierError, match=f"expected to write to the cache {cache}, found"):
            cached_folder(cache, "name", _write_marker)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_cache_that_takes_nothing_is_one_sentence(number: int, tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        raise OSError(number, os.strerror(number), str(folder / "model.onnx"))

    with pytest.raises(ClassifierError, match=f"{tmp_path}, found: {os.strerror(number)}; let"):
        cached_folder(tmp_path, "name", make)


def test_a_model_that_cannot_be_read_is_not_taken_for_the_cache(tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), "/somewhere/model.safetensors")

    with pytest.raises(PermissionError, match="model.safetensors"):
        cached_folder(tmp_path, "name", make)
