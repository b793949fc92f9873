"""One execution of an experiment: every planned trial becomes a complete folder of records."""

import os
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from typing import Protocol as Interface

from loadtests.arrivals import Schedule, closed_schedule, poisson_schedule
from loadtests.artefacts import Artefacts
from loadtests.assignment import Assignment
from loadtests.cores import running_on
from loadtests.drive import DriveError, driving
from loadtests.launch import CANARY_TEXT, LaunchError, RunningServer, launched
from loadtests.parity import Compared, check_answers, judge, sampled_answers
from loadtests.plan import Block, PlannedTrial
from loadtests.probe import ProbeError, open_probe, settled_counters
from loadtests.records import (
    TrialRecord,
    read_json,
    trial_folders,
    write_json,
    write_trial,
)
from loadtests.spec import Experiment
from loadtests.tables import REQUESTS_SCHEMA, TELEMETRY_SCHEMA, read_rows, write_table
from loadtests.telemetry import Gpu, Sampler

SETTLE_WITHIN_S = 60.0


class Progress(Interface):
    """Told what happens, in order; the edge that prints it is elsewhere."""

    def block_started(self, block: Block) -> None: ...
    def trial_finished(self, trial: PlannedTrial, record: TrialRecord) -> None: ...


@dataclass(frozen=True)
class RunContext:
    """Everything a trial needs beside its own plan."""

    folder: Path
    experiment: Experiment
    artefacts: Artefacts
    cores: Mapping[str, tuple[int, ...]]
    gpu: Gpu | None


def execute(blocks: list[Block], context: RunContext, progress: Progress) -> None:
    """Runs the blocks in order; trials already on disk are kept, the others are made."""
    finished = {folder.name for folder in trial_folders(context.folder)}
    with running_on(context.cores["load"]):
        for block in blocks:
            missing = tuple(trial for trial in block.trials if trial.trial_id not in finished)
            if missing:
                _run_block(Block(block.contender, missing), context, progress)
    manifest = context.folder / "manifest.json"
    _update_json(manifest, finished_at=datetime.now(UTC).isoformat(timespec="seconds"))


def _run_block(block: Block, context: RunContext, progress: Progress) -> None:
    progress.block_started(block)
    log = context.folder / "trials" / f".{block.trials[0].trial_id}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
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
                record = _run_trial(waiting[0], server, answers, context)
                progress.trial_finished(waiting.pop(0), record)
    except (LaunchError, ProbeError) as error:
        tail = error.log_tail if isinstance(error, LaunchError) else server.log_tail()
        for trial in waiting:
            record = _failed(trial, context, str(error), tail)
            _save(trial, record, context, log, files=())
            progress.trial_finished(trial, record)
    finally:
        log.unlink(missing_ok=True)


def _parity_before_load(server: RunningServer, context: RunContext) -> list[Compared]:
    if server.contender.engine == "none":
        return []
    return check_answers(server.address, context.artefacts.texts)


def _run_trial(
    trial: PlannedTrial, server: RunningServer, answers: list[Compared], context: RunContext
) -> TrialRecord:
    """Warm-up, steady state and drain against a server that is ready; saves what came of it."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    work = context.folder / "trials" / f".{trial.trial_id}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    schedule = make_schedule(trial, len(context.artefacts.texts))
    schedule.save(work / "schedule.npz")
    assignment = _assignment(trial, server, context, work)
    _settle(server)
    before = settled_counters(server.address, SETTLE_WITHIN_S)
    try:
        with ExitStack() as stack:
            drive = stack.enter_context(
                driving(assignment, context.cores["load"], work / "locust.log")
            )
            pids = {"server": server.pid, "load": drive.pid}
            sampler = stack.enter_context(Sampler(pids, context.gpu))
            drive.wait()
        if not server.alive():
            raise DriveError("the server exited during the trial.", server.log_tail())
        after = settled_counters(server.address, SETTLE_WITHIN_S)
    except (DriveError, ProbeError) as error:
        tail = error.log_tail if isinstance(error, DriveError) else server.log_tail()
        record = _failed(trial, context, str(error), tail)
        _save(trial, record, context, server.log, files=())
        return record
    rows, start_s = read_rows(work, assignment.warmup_s)
    write_table(work / "requests.parquet", rows, REQUESTS_SCHEMA)
    write_table(work / "telemetry.parquet", sampler.frame(start_s), TELEMETRY_SCHEMA)
    compared = answers + (sampled_answers(rows, context.artefacts.texts) if answers else [])
    last_s = float(rows["done_s"].max())
    record = replace(
        _record(trial, context),
        status="completed",
        started_at=started,
        startup_s=server.startup_s,
        phases=replace(trial.phases, drain_s=max(0.0, last_s - assignment.duration_s)),
        schedule_digest=schedule.digest,
        parity=judge(compared, context.experiment.parity_tolerance) if answers else None,
        counters_before=before,
        counters_after=after,
        telemetry_sources=sampler.sources,
    )
    kept = ("requests.parquet", "telemetry.parquet", "locust.log")
    _save(trial, record, context, server.log, files=kept)
    return record


def make_schedule(trial: PlannedTrial, n_texts: int) -> Schedule:
    """The schedule of a trial: the same for every contender at this level and repeat."""
    if trial.level.rate_rps is None:
        return closed_schedule(n_texts, trial.schedule_seed)
    duration_s = trial.phases.warmup_s + trial.phases.steady_s
    return poisson_schedule(trial.level.rate_rps, duration_s, n_texts, trial.schedule_seed)


def _assignment(
    trial: PlannedTrial, server: RunningServer, context: RunContext, work: Path
) -> Assignment:
    load = context.experiment.load
    return Assignment(
        protocol=server.address.protocol,
        host=server.address.host,
        port=server.address.port,
        mode=trial.level.mode,
        concurrency=trial.level.concurrency or 0,
        warmup_s=trial.phases.warmup_s,
        steady_s=trial.phases.steady_s,
        timeout_s=load.request_timeout_s,
        workers=load.workers,
        traffic=str(context.artefacts.traffic_path),
        schedule=str(work / "schedule.npz"),
        out_dir=str(work),
    )


def _settle(server: RunningServer) -> None:
    # A server that was overloaded still works off requests whose callers have gone; the next
    # trial, and the counters, must not start before it answers again.
    with open_probe(server.address, timeout_s=SETTLE_WITHIN_S) as probe:
        for _ in range(3):
            probe.predict(CANARY_TEXT)


def _record(trial: PlannedTrial, context: RunContext) -> TrialRecord:
    return TrialRecord(
        trial_id=trial.trial_id,
        purpose=trial.purpose,
        contender=asdict(trial.contender),
        level=trial.level,
        repeat=trial.repeat,
        order=trial.order,
        status="failed",
        phases=trial.phases,
        cores=context.cores,
        workers=context.experiment.load.workers,
    )


def _failed(
    trial: PlannedTrial, context: RunContext, reason: str, tail: tuple[str, ...]
) -> TrialRecord:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    record = _record(trial, context)
    return replace(record, reason=reason, log_tail=tail, started_at=now)


def _save(
    trial: PlannedTrial,
    record: TrialRecord,
    context: RunContext,
    server_log: Path,
    files: tuple[str, ...],
) -> None:
    """Makes the trial's folder appear complete, or not at all."""
    trials = context.folder / "trials"
    work, unfinished = trials / f".{trial.trial_id}", trials / f".{trial.trial_id}.complete"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for name in files:
        shutil.move(work / name, unfinished / name)
    if server_log.exists():
        shutil.copy(server_log, unfinished / "server.log")
    write_trial(unfinished, record)
    os.replace(unfinished, trials / trial.trial_id)
    shutil.rmtree(work, ignore_errors=True)


def _update_json(path: Path, **changes: Any) -> None:
    partial = path.with_name(f".{path.name}")
    write_json(partial, read_json(path) | changes)
    os.replace(partial, path)
