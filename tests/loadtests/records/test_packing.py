"""A finished run is packed: every trial and row is there, and read alone."""

import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loadtests.records.packing import pack
from loadtests.records.run_folder import forget_failed
from loadtests.records.run_trials import RunTables, read_trials, trial_folder, write_packed_trials
from loadtests.records.stored import SCHEMA_VERSION, RecordError
from loadtests.records.tables import REQUESTS_FILE, REQUESTS_SCHEMA, TELEMETRY_FILE, write_table
from loadtests.records.trials import write_json

from .packed_run import PACKED, add_trial, content


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run with trials of different lengths, one of them without rows, and one that failed."""
    folder = tmp_path / "run"
    folder.mkdir()
    write_json(folder / "manifest.json", {"schema_version": SCHEMA_VERSION})
    add_trial(folder, "b", n_rows=2)
    add_trial(folder, "a", n_rows=3)
    add_trial(folder, "none", n_rows=0)
    add_trial(folder, "failed", status="failed")
    return folder


def test_a_packed_run_holds_every_trial_and_row_and_the_logs_of_failed_trials(
    run_dir: Path,
) -> None:
    before = content(run_dir)
    pack(run_dir)
    assert list(content(run_dir)) == ["a", "b", "failed", "none"]
    assert content(run_dir) == before
    assert {path.name for path in run_dir.iterdir()} == {*PACKED, "logs", "manifest.json"}
    assert (run_dir / "logs" / "failed" / "server.log").read_text() == "log of failed"
    assert [path.name for path in (run_dir / "logs").iterdir()] == ["failed"]


def test_a_packed_table_is_sorted_by_trial_and_schedule_one_row_group_a_trial(
    run_dir: Path,
) -> None:
    folder = trial_folder(run_dir, "c")
    add_trial(run_dir, "c")
    reversed_rows = pq.read_table(folder / REQUESTS_FILE).to_pandas().iloc[::-1]
    write_table(folder / REQUESTS_FILE, reversed_rows, REQUESTS_SCHEMA)
    pack(run_dir)
    table = pq.ParquetFile(run_dir / REQUESTS_FILE)
    rows = table.read().to_pandas()
    assert rows.equals(rows.sort_values(["trial_id", "scheduled_s"], ignore_index=True))
    n_rows = [table.metadata.row_group(k).num_rows for k in range(table.num_row_groups)]
    assert n_rows == [3, 2, 3, 0]
    encodings = table.metadata.row_group(0).column(0).encodings
    assert any("DICTIONARY" in encoding for encoding in encodings)


def test_times_are_packed_to_a_microsecond(run_dir: Path) -> None:
    folder = trial_folder(run_dir, "c")
    add_trial(run_dir, "c")
    exact = pq.read_table(folder / REQUESTS_FILE).to_pandas()
    exact["done_s"] = exact["scheduled_s"] + 1 / 3
    write_table(folder / REQUESTS_FILE, exact, REQUESTS_SCHEMA)
    pack(run_dir)
    packed = pd.Series([row["done_s"] for row in content(run_dir)["c"][1]])
    assert set(packed * 2**20 % 1) == {0.0}
    assert (packed - exact["done_s"]).between(0, 2**-20).all()


def test_one_trial_is_read_without_the_rows_of_the_others(run_dir: Path) -> None:
    pack(run_dir)
    path = run_dir / REQUESTS_FILE
    group = pq.read_metadata(path).row_group(1)
    damaged, at = bytearray(path.read_bytes()), group.column(1).data_page_offset
    damaged[at : at + 8] = bytes(8)
    path.write_bytes(damaged)
    trials, tables = read_trials(run_dir), RunTables(run_dir)
    assert len(tables.requests(trials["a"])) == 3
    with pytest.raises(RecordError, match=r"requests.parquet cannot be read"):
        tables.requests(trials["b"])


def test_trials_made_after_a_resume_join_those_that_are_packed(run_dir: Path) -> None:
    pack(run_dir)
    before = content(run_dir)
    add_trial(run_dir, "0-later", n_rows=4)
    joined = content(run_dir)
    assert joined.keys() == {*before, "0-later"}
    pack(run_dir)
    assert content(run_dir) == joined
    assert not (run_dir / "trials").exists()


def test_a_trial_that_was_made_again_takes_the_place_of_the_packed_one(run_dir: Path) -> None:
    pack(run_dir)
    add_trial(run_dir, "a", n_rows=7)
    assert len(content(run_dir)["a"][1]) == 7
    pack(run_dir)
    assert len(content(run_dir)["a"][1]) == 7
    assert pq.read_metadata(run_dir / REQUESTS_FILE).num_rows == 7 + 2


def test_rows_that_no_trial_owns_are_nobody_s_and_go_when_the_run_is_packed_again(
    run_dir: Path,
) -> None:
    pack(run_dir)
    trials = read_trials(run_dir)
    write_packed_trials(run_dir, [trials["b"]])
    add_trial(run_dir, "a", n_rows=5)
    pack(run_dir)
    assert {name: len(rows) for name, (_, rows, _) in content(run_dir).items()} == {"a": 5, "b": 2}
    assert pq.read_metadata(run_dir / REQUESTS_FILE).num_rows == 7


def test_packing_a_packed_run_again_changes_nothing(run_dir: Path) -> None:
    pack(run_dir)
    before = {path: path.stat().st_mtime_ns for path in run_dir.rglob("*")}
    pack(run_dir)
    assert {path: path.stat().st_mtime_ns for path in run_dir.rglob("*")} == before


def test_resuming_a_packed_run_forgets_its_failed_trials_and_their_logs(run_dir: Path) -> None:
    pack(run_dir)
    before = content(run_dir)
    forget_failed(run_dir)
    del before["failed"]
    assert content(run_dir) == before
    assert not (run_dir / "logs" / "failed").exists()


def test_a_run_whose_trials_all_failed_is_packed_and_forgotten(tmp_path: Path) -> None:
    add_trial(tmp_path, "x", status="failed", purpose="measurement")
    pack(tmp_path)
    assert list(read_trials(tmp_path)) == ["x"]
    forget_failed(tmp_path)
    assert read_trials(tmp_path) == {}


def test_a_trial_whose_rows_are_missing_is_refused_before_anything_is_replaced(
    run_dir: Path,
) -> None:
    (trial_folder(run_dir, "b") / TELEMETRY_FILE).unlink()
    with pytest.raises(RecordError, match=r"b/telemetry.parquet is missing"):
        pack(run_dir)
    assert (trial_folder(run_dir, "a") / REQUESTS_FILE).exists()


def test_numbers_that_a_packed_table_cannot_hold_are_refused(run_dir: Path) -> None:
    path = trial_folder(run_dir, "b") / REQUESTS_FILE
    rows = pq.read_table(path)
    at = rows.column_names.index("text_id")
    pq.write_table(rows.set_column(at, "text_id", pa.array([2**40] * 2)), path)
    with pytest.raises(RecordError, match="cannot hold the rows of the trial b"):
        pack(run_dir)


@pytest.mark.parametrize("name", ["trials", "logs"])
def test_behind_a_link_in_place_of_a_folder_of_the_run_nothing_is_changed(
    name: str, run_dir: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "mine").mkdir(parents=True)
    if name == "trials":
        shutil.rmtree(run_dir / "trials")
    (run_dir / name).symlink_to(elsewhere)
    for change in (pack, forget_failed):
        with pytest.raises(RecordError, match="found a link"):
            change(run_dir)
    assert [path.name for path in elsewhere.rglob("*")] == ["mine"]
