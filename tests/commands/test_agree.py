"""`study agree`: what it prints and writes, and its exit code. Nothing here was measured."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from study import app

from ..analysis.agreement.runs import SERVICE_MS, finished_run

WIDE = {"COLUMNS": "200"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    """Two that agree, and one that contradicts both."""
    folder = tmp_path_factory.mktemp("runs")
    slower = SERVICE_MS | {"fastapi-onnx": 8.0}
    made = (
        finished_run(folder / "first"),
        finished_run(folder / "second", seed=1),
        finished_run(folder / "slower", slower),
    )
    return tuple(str(run.folder) for run in made)  # type: ignore[return-value]


def test_runs_that_do_not_contradict_each_other_end_with_0(runs: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, ["agree", *runs[:2]], env=WIDE)
    assert done.exit_code == 0
    assert " 0 contradict, " in done.stdout


def test_a_contradiction_ends_with_1_after_the_table(runs: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, ["agree", *runs], env=WIDE)
    assert done.exit_code == 1
    assert "contradict" in done.stdout
    assert done.stderr == ""


def test_runs_that_cannot_be_compared_end_with_2_and_a_sentence(runs: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, ["agree", runs[0]], env=WIDE)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr == "study: expected two runs or more, found 1: name another.\n"


def test_json_is_all_that_is_printed_where_it_is_asked_for(runs: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, ["agree", *runs, "--json"], env=WIDE)
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert [run["run_id"] for run in found["runs"]] == ["first", "second", "slower"]
    assert found["rows"][0]["outcome"] == "contradict"
    assert found["n_contradict"] > 0


def test_out_writes_the_page_and_names_it(runs: tuple[str, ...], tmp_path: Path) -> None:
    page = tmp_path / "agreement.md"
    done = CliRunner().invoke(app, ["agree", *runs[:2], "--out", str(page)], env=WIDE)
    assert done.exit_code == 0
    assert page.read_text().startswith("# Do these runs agree?\n")
    assert str(page) in done.stdout.replace("\n", "")


def test_the_runs_are_only_read(runs: tuple[str, ...]) -> None:
    def files() -> dict[Path, int]:
        every = [path for run in runs for path in Path(run).rglob("*")]
        return {path: path.stat().st_mtime_ns for path in every}

    before = files()
    CliRunner().invoke(app, ["agree", *runs], env=WIDE)
    assert files() == before
