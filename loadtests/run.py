"""One execution of an experiment: every planned trial becomes a complete folder of records."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from typing import Protocol as Interface

from loadtests.cores import running_on
from loadtests.launch import LaunchError, RunningServer, launched
from loadtests.parity import Compared, check_answers
from loadtests.plan import Block, PlannedTrial
from loadtests.probe import ProbeError
from loadtests.records import TrialRecord, read_json, trial_folders, write_json
from loadtests.trial import RunContext, run_trial, save_failed


class Progress(Interface):
    """Told what happens, in order; the edge that prints it is elsewhere."""

    def block_started(self, block: Block) -> None: ...
    def trial_finished(self, trial: PlannedTrial, record: TrialRecord) -> None: ...


def execute(blocks: list[Block], context: RunContext, progress: Progress) -> None:
    """Runs the blocks in order; trials already on disk are kept, the others are made."""
    _remove_unfinished(context.folder / "trials")
    finished = {folder.name for folder in trial_folders(context.folder)}
    with running_on(context.cores["load"]):
        for block in blocks:
            missing = tuple(trial for trial in block.trials if trial.trial_id not in finished)
            if missing:
                _run_block(Block(block.contender, missing), context, progress)
    _update_json(
        context.folder / "manifest.json",
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _run_block(block: Block, context: RunContext, progress: Progress) -> None:
    progress.block_started(block)
    log = context.folder / "trials" / f".{block.trials[0].trial_id}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    waiting = list(block.trials)
    try:
        with launched(
            block.contender,
            model_dir=context.artefacts.model_dir,
            cores=context.cores["server"],
            log=log,
        ) as server:
            answers = _parity_before_load(server, context)
            while waiting:
                record = run_trial(waiting[0], server, answers, context)
                progress.trial_finished(waiting.pop(0), record)
    except (LaunchError, ProbeError) as error:
        tail = error.log_tail if isinstance(error, LaunchError) else server.log_tail()
        for trial in waiting:
            record = save_failed(trial, context, str(error), tail, log)
            progress.trial_finished(trial, record)
    finally:
        log.unlink(missing_ok=True)


def _parity_before_load(server: RunningServer, context: RunContext) -> list[Compared]:
    if server.contender.engine == "none":
        return []
    return check_answers(server.address, context.artefacts.texts)


def _remove_unfinished(trials: Path) -> None:
    """What a killed run left half-written: hidden names, which no reader looks at."""
    for leftover in trials.glob(".*"):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def _update_json(path: Path, **changes: Any) -> None:
    partial = path.with_name(f".{path.name}")
    write_json(partial, read_json(path) | changes)
    os.replace(partial, path)
