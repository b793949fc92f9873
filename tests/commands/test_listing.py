"""What `study list` prints: whole paths, whatever the terminal and the folders are like."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from loadtests.records.stored import SCHEMA_VERSION
from loadtests.records.tuning import write_tuning
from servers.discovery import discover
from study import app

from ..loadtests.tune.drafts import draft

ROOT = Path(__file__).parents[2]
LONG = "a-run-whose-name-is-as-long-as-those-that-the-study-itself-gives-20261121-120000-abcdef"


def listed(results: Path) -> str:
    done = CliRunner().invoke(app, ["list", "--results", str(results)], env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    return done.stdout


def listed_apart(results: Path, **environment: str) -> str:
    """By a process of its own: what its environment says of the terminal counts from the start."""
    done = subprocess.run(
        [sys.executable, "-m", "study", "list", "--results", str(results)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80", **environment},
        capture_output=True,
        check=True,
    )
    return done.stdout.decode(environment.get("PYTHONIOENCODING", "utf-8"))


def run_in(results: Path, name: str, finished: str | None = "2026-11-21T12:00:00+00:00") -> Path:
    folder = results / name
    (folder / "trials").mkdir(parents=True)
    manifest = {"schema_version": SCHEMA_VERSION, "finished_at": finished}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_a_path_is_printed_whole_however_narrow_the_terminal_is(tmp_path: Path) -> None:
    run = run_in(tmp_path, LONG)

    lines = listed_apart(tmp_path, COLUMNS="40").splitlines()

    (line,) = (line for line in lines if LONG in line)
    assert line.strip().startswith(str(run))


def test_every_contender_is_listed_with_its_port(tmp_path: Path) -> None:
    lines = [line.split() for line in listed(tmp_path).splitlines()]

    for name, contender in discover().items():
        assert any(line[:3] == [name, "port", str(contender.port)] for line in lines)


def test_contenders_are_listed_as_the_readme_compares_them_and_calibration_last(
    tmp_path: Path,
) -> None:
    known = discover()
    lines = listed(tmp_path).splitlines()[1 : 1 + len(known)]
    names = [line.split()[0] for line in lines]

    compared = ("fastapi", "fastapi-tuned", "fastapi-onnx", "litserve-patched", "triton", "hybrid")
    assert [name for name in names if name in compared] == [*compared]
    calibrates = [known[name].setting == "calibration" for name in names]
    assert calibrates == sorted(calibrates)
    assert any(calibrates)


def test_a_folder_without_runs_says_so(tmp_path: Path) -> None:
    assert listed(tmp_path).endswith(f"Runs in {tmp_path}\n  none yet\n")


def test_what_an_ascii_terminal_does_not_have_is_escaped(tmp_path: Path) -> None:
    run_in(tmp_path, "réseau-张")

    assert "r\\xe9seau-\\u5f20" in listed_apart(tmp_path, PYTHONIOENCODING="ascii")


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe",
        b"[1, 2]",
        b"{}",
        b"not json",
        b"[" * 100_000,
        json.dumps({"schema_version": SCHEMA_VERSION}).encode(),
        json.dumps({"schema_version": 1}).encode(),
    ],
    ids=["no text", "a list", "no fields", "no JSON", "nested deep", "no end", "another version"],
)
def test_an_odd_manifest_is_named_and_hides_no_other_run(tmp_path: Path, content: bytes) -> None:
    odd = run_in(tmp_path, "a-odd")
    (odd / "manifest.json").write_bytes(content)
    run_in(tmp_path, "b-good")

    lines = listed(tmp_path).splitlines()

    assert any(str(odd) in line and "cannot be read: " in line for line in lines)
    assert any("b-good" in line and "2026-11-21" in line for line in lines)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["a pipe", "a folder"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, make: object) -> None:
    odd = run_in(tmp_path, "odd") / "manifest.json"
    odd.unlink()
    assert callable(make)
    make(odd)

    assert "cannot be read: its manifest.json is not a file" in listed(tmp_path)


def test_an_unfinished_run_says_how_it_goes_on(tmp_path: Path) -> None:
    run_in(tmp_path, "stopped", finished=None)

    assert "study run --resume continues it" in listed(tmp_path)


def test_what_a_manifest_says_cannot_steer_the_terminal(tmp_path: Path) -> None:
    run_in(tmp_path, "steering", finished="\x1b[2J2026\n  /a/run/that/is/none")

    (line,) = (line for line in listed(tmp_path).splitlines() if "steering" in line)

    assert line.endswith(
        "\N{REPLACEMENT CHARACTER}[2J2026\N{REPLACEMENT CHARACTER}  /a/run/that/is/none"
    )


def test_searches_are_listed_with_what_is_left_of_them(tmp_path: Path) -> None:
    assert "Searches" not in listed(tmp_path)
    for name in ("tune-1", "tune-2", "tune-3"):
        folder = tmp_path / name
        folder.mkdir()
        write_tuning(folder, draft())
    (tmp_path / "tune-2" / "tune.md").touch()
    (tmp_path / "tune-3" / "tune.json").write_text("no JSON")

    head, *lines = listed(tmp_path).split("\nSearches")[1].splitlines()

    assert head == " (study tune)"
    assert [line.split(maxsplit=2) for line in lines[:2]] == [
        [f"{tmp_path}/tune-1", "triton", "unfinished (study tune --resume continues it)"],
        [f"{tmp_path}/tune-2", "triton", f"{tmp_path}/tune-2/tune.md"],
    ]
    assert "cannot be read" in lines[2]
