"""The trials of a run and their rows, in either form: each in a folder of its own while the run is
under way, all of them packed once it is finished (results/README.md)."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from loadtests.records.atomic import on_disk, replacing
from loadtests.records.stored import AGAIN, RESUME, RecordError, read_stored_lines, shown
from loadtests.records.tables import (
    REQUESTS_FILE,
    SCHEMAS,
    TELEMETRY_FILE,
    DamagedTable,
    checked,
    checked_columns,
    opened_table,
    read_table,
    refuse_too_many,
)
from loadtests.records.trials import TrialRecord, read_trial, refuse_contradiction
from servers.storable import storable_json

TRIALS, TRIALS_FILE = "trials", "trials.jsonl"
TRIAL_ID = "trial_id"
"""First column of a packed table, and key of its metadata: whose rows each row group holds."""

PACKED_SCHEMAS = {
    name: pa.schema([(TRIAL_ID, pa.string()), *schema]) for name, schema in SCHEMAS.items()
}


def trial_folder(run_dir: Path, trial_id: str) -> Path:
    return run_dir / TRIALS / trial_id


def trial_folders(run_dir: Path) -> list[Path]:
    """The complete trials in folders, in name order (a name starting with '.' is unfinished)."""
    found = (run_dir / TRIALS).glob("[!.]*")
    return sorted(p for p in found if os.path.lexists(p / "trial.json"))


def read_trials(run_dir: Path, run_id: str | None = None) -> dict[str, TrialRecord]:
    """Every complete trial of a run, in the order of their ids; RecordError where one does not
    belong there.

    A trial belongs to its run, name and place in the order, once: a copy is no further evidence.
    A folder comes before a line: the trial was made again, or its folder is about to go.
    """
    found = {str(f / "trial.json"): (f.name, read_trial(f)) for f in trial_folders(run_dir)}
    in_folders = {name for name, _ in found.values()}
    for line, trial in read_packed_trials(run_dir).items():
        if trial.trial_id not in in_folders:
            found[line] = trial.trial_id, trial
    seen: dict[tuple[object, ...], str] = {}
    for where, (name, trial) in found.items():
        problem = None
        if trial.trial_id != name:
            problem = f"is the trial {trial.trial_id}, found in the folder of another one"
        elif run_id and trial.run_id and trial.run_id != run_id:
            problem = f"is a trial of the run {trial.run_id}, found in {run_id}"
        for once in _only_once(trial):
            first = seen.setdefault(once, where)
            if first != where:
                problem = problem or f"is the same trial as {found[first][0]}"
        if problem:
            raise RecordError(
                f"{where} {problem}: a trial counts once, in its own run; remove the copy."
            )
    return dict(sorted(found.values()))


def read_packed_trials(run_dir: Path) -> dict[str, TrialRecord]:
    """The lines of trials.jsonl by their place; none where the run was never packed."""
    path = run_dir / TRIALS_FILE
    if not os.path.lexists(path):
        return {}
    lines = read_stored_lines(path, TrialRecord, AGAIN)
    for where, trial in lines.items():
        refuse_contradiction(where, trial, AGAIN)
    return lines


def write_packed_trials(run_dir: Path, trials: Sequence[TrialRecord]) -> None:
    """trials.jsonl with these trials; no such file where there are none."""
    path = run_dir / TRIALS_FILE
    if not trials:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as unfinished:
        lines = (storable_json(asdict(trial)) + "\n" for trial in trials)
        unfinished.write_text("".join(lines), encoding="utf-8")
        on_disk(unfinished)


def _only_once(trial: TrialRecord) -> Iterator[tuple[object, ...]]:
    yield (trial.trial_id,)
    if trial.repeat:
        level = astuple(trial.level)
        yield trial.purpose, trial.contender_name, level, trial.repeat, trial.attempt
    if trial.order and trial.started_at:  # a resumed run of old may have used a position twice
        yield trial.order, trial.started_at


class RunTables:
    """The rows of the trials of one run; RecordError where they cannot be what they should.

    The coded columns, texts of few values, stay dictionary-coded. LATER_COLUMNS may be missing.
    """

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._packed = {name: _PackedTable(run_dir / name) for name in SCHEMAS}

    def requests(
        self, trial: TrialRecord, columns: Sequence[str] = (), coded: Sequence[str] = ()
    ) -> pd.DataFrame:
        """One row a request; no rows for a trial that failed. No columns named: all of them."""
        return self._frame(REQUESTS_FILE, trial, columns, coded)

    def telemetry(self, trial: TrialRecord, columns: Sequence[str] = ()) -> pd.DataFrame:
        """One row a sample, likewise."""
        return self._frame(TELEMETRY_FILE, trial, columns, ())

    def table(
        self, name: str, trial_id: str, columns: Sequence[str], coded: Sequence[str] = ()
    ) -> pa.Table:
        """These columns of the table of a completed trial, from the file of that name."""
        folder = self._folder(trial_id)
        if folder:
            return read_table(folder / name, columns, coded)
        return self._packed[name].read(trial_id, columns, coded)

    def refusal(self, name: str, trial_id: str, problem: str) -> RecordError:
        """What to raise where the rows of a trial contradict its record."""
        folder = self._folder(trial_id)
        if folder:
            return RecordError(f"{folder / name} {problem}: it is damaged; {RESUME}")
        where = f"{self._run_dir / name} {problem}, in the trial {trial_id}"
        return RecordError(f"{where}: it is damaged; {AGAIN}")

    def _folder(self, trial_id: str) -> Path | None:
        folder = trial_folder(self._run_dir, trial_id)
        return folder if os.path.lexists(folder / "trial.json") else None

    def _frame(
        self, name: str, trial: TrialRecord, columns: Sequence[str], coded: Sequence[str]
    ) -> pd.DataFrame:
        columns = columns or SCHEMAS[name].names
        if trial.status == "failed":
            return pd.DataFrame(columns=list(columns))
        frame: pd.DataFrame = self.table(name, trial.trial_id, columns, coded).to_pandas()
        return frame


class _PackedTable:
    """The rows of all trials of a run: one row group a trial, so that each is read alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._remedy = f"it is damaged; {AGAIN}"

    def read(self, trial_id: str, columns: Sequence[str], coded: Sequence[str]) -> pa.Table:
        schema = PACKED_SCHEMAS[self._path.name]
        with opened_table(self._path, self._remedy) as stream:
            group = self._groups.get(trial_id)
            if group is None:
                raise DamagedTable(f"has no rows of the trial {trial_id}")
            there = checked_columns(self._metadata, schema, [TRIAL_ID, *columns])
            refuse_too_many(self._metadata.row_group(group).num_rows)
            texts = [TRIAL_ID, *coded]
            file = pq.ParquetFile(stream, metadata=self._metadata, read_dictionary=texts)
            table = file.read_row_group(group, there)
            others = set(table[TRIAL_ID].unique().to_pylist()) - {trial_id}
            if others:
                raise DamagedTable(
                    f"has rows of {shown(others.pop())} among those of the trial {trial_id}"
                )
            return checked(table.drop_columns(TRIAL_ID))

    @cached_property
    def _metadata(self) -> pq.FileMetaData:
        with opened_table(self._path, self._remedy) as stream:
            return pq.read_metadata(stream)

    @cached_property
    def _groups(self) -> dict[str, int]:
        """The row group of each trial."""
        noted = (self._metadata.metadata or {}).get(TRIAL_ID.encode(), b"null")
        try:
            trial_ids = json.loads(noted)
        except (ValueError, RecursionError):
            trial_ids = None
        if not isinstance(trial_ids, list) or len(trial_ids) != self._metadata.num_row_groups:
            raise DamagedTable("does not name the trial of each of its row groups")
        return {str(trial_id): group for group, trial_id in enumerate(trial_ids)}
