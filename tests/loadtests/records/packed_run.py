"""A run as loadtests.measure.trial leaves it, and what a reader gets of one."""

from pathlib import Path

import pandas as pd

from loadtests.records.run_trials import TRIALS_FILE, RunTables, read_trials, trial_folder
from loadtests.records.tables import (
    REQUESTS_FILE,
    REQUESTS_SCHEMA,
    SCHEMAS,
    TELEMETRY_FILE,
    TELEMETRY_SCHEMA,
    write_table,
)
from loadtests.records.trials import Level, Phases, TrialRecord, write_trial

CONTENDER = {
    **{"name": "a", "server": "a", "protocol": "http-json", "engine": "none"},
    **{"setting": "tuned", "batching": False, "summary": "", "components": 1},
}
PACKED = {REQUESTS_FILE, TELEMETRY_FILE, TRIALS_FILE}


def add_trial(
    run_dir: Path,
    trial_id: str,
    status: str = "completed",
    n_rows: int = 3,
    purpose: str = "search",
) -> TrialRecord:
    """As loadtests.measure.trial leaves it; n_rows also tells one trial's rows from another's."""
    record = TrialRecord(
        trial_id,
        purpose,  # type: ignore[arg-type]  # one of the literals
        CONTENDER,
        Level("open", rate_rps=30),
        0,
        1,
        status,  # type: ignore[arg-type]  # one of the literals
        phases=Phases(0.0, 1.0),
    )
    folder = trial_folder(run_dir, trial_id)
    folder.mkdir(parents=True)
    write_trial(folder, record)
    (folder / "server.log").write_text(f"log of {trial_id}")
    if status == "completed":
        at_s = pd.Series([index * 0.125 for index in range(n_rows)])
        requests = {"request_index": range(n_rows), "phase": "steady", "status": "ok"}
        times = {"scheduled_s": at_s, "sent_s": at_s, "done_s": at_s + n_rows}
        write_table(folder / REQUESTS_FILE, pd.DataFrame(requests | times), REQUESTS_SCHEMA)
        write_table(folder / TELEMETRY_FILE, pd.DataFrame({"t_s": at_s}), TELEMETRY_SCHEMA)
    return record


Rows = list[dict[str, object]]


def content(run_dir: Path) -> dict[str, tuple[TrialRecord, Rows, Rows]]:
    """Everything a reader gets of a run."""
    tables = RunTables(run_dir)

    def rows(name: str, trial: TrialRecord) -> Rows:
        if trial.status == "failed":
            return []
        found: Rows = tables.table(name, trial.trial_id, SCHEMAS[name].names).to_pylist()
        return found

    return {
        name: (trial, rows(REQUESTS_FILE, trial), rows(TELEMETRY_FILE, trial))
        for name, trial in read_trials(run_dir).items()
    }
