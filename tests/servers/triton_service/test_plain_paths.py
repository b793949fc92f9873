"""Which folders Triton can work in, and what stands in for one it cannot."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.triton_service import plain_paths
from servers.triton_service.plain_paths import InstallationError, plain_folder, plain_path

NAMES = ["with space", "é", "张", "a:b", "a'b", "a$b", "x" * 90]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder with a short plain name."""
    with tempfile.TemporaryDirectory(prefix="plain-", dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def test_a_plain_folder_is_used_as_it_is(short: Path) -> None:
    with plain_folder(short) as found:
        assert found == short
    assert short.exists()


@pytest.mark.parametrize("name", NAMES)
def test_instead_of_another_a_new_folder_is_used_and_removed(short: Path, name: str) -> None:
    (short / name).mkdir()
    with plain_folder(short / name) as found:
        (found / "file").touch()
        assert found.parent == short
    assert [path.name for path in short.iterdir()] == [name]


@pytest.mark.parametrize("name", NAMES[:3])
def test_where_the_temporary_folder_is_not_plain_either_another_one_is_taken(
    short: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (short / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(short / name))
    monkeypatch.setattr(plain_paths, "_ELSEWHERE", (str(short / "absent"), str(short)))
    with plain_folder(short / name) as found:
        assert found.parent == short


def test_where_no_folder_will_do_the_sentence_says_what_to_set(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(short / "absent"))
    monkeypatch.setattr(plain_paths, "_ELSEWHERE", ("/proc",))
    with (
        pytest.raises(InstallationError, match="expected a folder .* set TMPDIR to one"),
        plain_folder(short / "é"),
    ):
        pass


def test_a_path_that_is_not_plain_is_reached_through_a_link(tmp_path: Path) -> None:
    own = tmp_path / "é 张"
    own.mkdir()
    (own / "file").write_text("here")

    link = plain_path(own, tmp_path / "links")

    assert str(link).isascii()
    assert (link / "file").read_text() == "here"
    assert plain_path(own, tmp_path / "links") == link
    assert plain_path(link, tmp_path / "links") == link
