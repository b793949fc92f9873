import os
import subprocess
import sys
from pathlib import Path

import pytest

from servers.classifier.artefacts import cached_folder
from servers.surroundings import ROOT, child_environment, own_cache, writable_cache


def test_a_child_finds_this_project_and_nothing_of_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "servers").mkdir()
    (tmp_path / "servers" / "__init__.py").write_text("raise RuntimeError('not this one')")
    child = subprocess.run(
        # -S: no site-packages, as where this project is not installed.
        [sys.executable, "-S", "-c", "import servers, sys; print(servers.__file__)"],
        env=child_environment(os.environ),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.stdout.strip() == str(ROOT / "servers" / "__init__.py"), child.stderr


def test_the_search_path_of_the_user_stays_behind_the_project_and_is_named_once() -> None:
    given = child_environment({"PYTHONPATH": f"/one:{ROOT}::/two"})
    assert given["PYTHONPATH"] == f"{ROOT}:/one:/two"
    assert child_environment(given) == given


def test_folders_named_from_the_working_directory_are_found_from_any_other() -> None:
    given = child_environment({"STUDY_TRITON_SITE": "site", "PYTHONPATH": "mine"})
    assert given["STUDY_TRITON_SITE"] == str(Path.cwd() / "site")
    assert given["PYTHONPATH"] == f"{ROOT}:{Path.cwd() / 'mine'}"


def test_a_cache_that_can_be_written_is_used(tmp_path: Path) -> None:
    assert writable_cache(tmp_path / "not" / "made" / "yet") == tmp_path / "not" / "made" / "yet"


def test_a_cache_that_cannot_be_written_gives_way_to_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    unwritable = tmp_path / "artefacts"
    unwritable.mkdir()
    can_access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: path != unwritable and can_access(path, mode)
    )
    made = cached_folder(unwritable, "model", lambda folder: (folder / "x").touch())
    assert made == tmp_path / "own" / "model-serving-study" / "artefacts" / "model"
    assert cached_folder(unwritable, "model", lambda _: pytest.fail("made twice")) == made


def test_what_a_cache_has_is_found_there_though_it_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert cached_folder(tmp_path, "model", lambda _: pytest.fail("made")) == tmp_path / "model"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"XDG_CACHE_HOME": "/caches"}, Path("/caches/model-serving-study")),
        ({"XDG_CACHE_HOME": "relative"}, Path.home() / ".cache" / "model-serving-study"),
        ({}, Path.home() / ".cache" / "model-serving-study"),
    ],
)
def test_the_users_own_cache_is_where_the_desktop_rules_say(
    environment: dict[str, str], expected: Path
) -> None:
    assert own_cache(environment) == expected
