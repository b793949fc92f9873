"""One slice: warm-up, steady state and drain against a resident contender, and its records."""

import os
import shutil
from dataclasses import asdict, replace
from pathlib import Path

from loadtests.generator.schedule import Schedule, closed_schedule, open_schedule
from loadtests.host.disk import require_room
from loadtests.launch.parity import ExpectedAnswers, answers_before_load, expected_answers
from loadtests.launch.server import LaunchError
from loadtests.measure.locust_process import DriveError
from loadtests.measure.replay import SETTLE_WITHIN_S, Attempt, cores_of, work_folder
from loadtests.measure.residents import Started
from loadtests.measure.simulated_replies import reply_lateness_p99_ms
from loadtests.measure.tools import RunContext
from loadtests.plan.rounds import PlannedTrial
from loadtests.records.arrivals import Arrivals
from loadtests.records.tables import REQUESTS_SCHEMA, TELEMETRY_SCHEMA, write_table
from loadtests.records.trials import TrialRecord, write_trial
from loadtests.spec.external import ExternalContender
from loadtests.wire.address import Address
from loadtests.wire.probe import ProbeError


def measure(trial: PlannedTrial, order: int, started: Started, context: RunContext) -> TrialRecord:
    """Runs the slice and saves it; a contender that did not start, or fails, is a failed slice with
    the reason, unless a full disk is the reason: that is raised as its OSError."""
    record, attempt = _record(trial, order, context), None
    try:
        record, attempt = _replayed(trial, record, started, context)
    except (LaunchError, DriveError, ProbeError) as error:
        server = started.server
        tail = server.log_tail() if server else ()
        record = replace(
            record,
            # What the load generator or the probe says may only be what followed.
            reason=(server and server.broken()) or str(error),
            startup_s=server.startup_s if server else None,
            log_tail=tail if isinstance(error, ProbeError) else error.log_tail,
            client_failed=isinstance(error, DriveError) and error.client_failed,
        )
        require_room(context.folder, record.log_tail)
    _save(trial, record, attempt, started.log, context)
    return record


def _replayed(
    trial: PlannedTrial, record: TrialRecord, started: Started, context: RunContext
) -> tuple[TrialRecord, Attempt]:
    server, schedule = started.ready(), make_schedule(trial, context)
    expected = _expected_answers(trial, server.address, started, schedule, context)
    attempt = context.tools.replay(trial, server, schedule, context)
    drain_s = max(0.0, float(attempt.rows["done_s"].max()) - trial.loaded_s)
    completed = replace(
        record,
        status="completed",
        started_at=attempt.started_at,
        startup_s=server.startup_s,
        phases=replace(trial.phases, drain_s=drain_s),
        schedule_digest=schedule.digest,
        send_lag_p99_ms=attempt.lag_p99_ms,
        foreign_share=attempt.foreign_share,
        machine=attempt.machine,
        parity=expected.judge(attempt.rows),
        counters_before=attempt.counters_before,
        counters_after=attempt.counters_after,
        telemetry_sources=attempt.telemetry_sources,
        reply_lateness_p99_ms=reply_lateness_p99_ms(started.log),
        clock_offsets=attempt.clock_offsets,
        simulated_device=attempt.device,
    )
    return completed, attempt


def make_schedule(trial: PlannedTrial, context: RunContext) -> Schedule:
    """The schedule of a slice: the same for every contender at this level in this round, or at
    this multiple of its own capacity."""
    n_texts, seed = len(context.artefacts.texts), trial.schedule_seed
    if trial.level.rate_rps is None:
        return closed_schedule(n_texts, seed)
    process: Arrivals = context.experiment.load.arrivals
    rate_rps = trial.level.rate_rps
    if trial.overload:
        process, rate_rps = trial.overload.arrivals(trial.phases.warmup_s, trial.phases.steady_s)
    return open_schedule(process, rate_rps, trial.loaded_s, n_texts, seed)


def _expected_answers(
    trial: PlannedTrial, address: Address, started: Started, schedule: Schedule, context: RunContext
) -> ExpectedAnswers:
    texts = context.artefacts.texts
    if isinstance(trial.contender, ExternalContender) and not trial.contender.compare:
        return answers_before_load(address, schedule, texts, SETTLE_WITHIN_S)
    expected = {text.text_id: text for text in expected_answers(trial.contender, texts)}
    return ExpectedAnswers(expected, started.answers, context.experiment.parity_tolerance)


def _record(trial: PlannedTrial, order: int, context: RunContext) -> TrialRecord:
    """The record of a trial that has not completed."""
    return TrialRecord(
        trial_id=trial.trial_id,
        purpose=trial.purpose,
        contender=asdict(trial.contender),
        level=trial.level,
        repeat=trial.repeat,
        attempt=trial.attempt,
        order=order,
        status="failed",
        started_at=context.tools.now().isoformat(timespec="seconds"),
        phases=trial.phases,
        cores=cores_of(trial, context),
        workers=context.experiment.load.workers,
        overload=trial.overload,
        resident=tuple(context.residents),
        run_id=context.run_id,
    )


def _save(
    trial: PlannedTrial,
    record: TrialRecord,
    last: Attempt | None,
    server_log: Path,
    context: RunContext,
) -> None:
    """Makes the trial's folder appear complete, or not at all."""
    work = work_folder(trial, context)
    unfinished = work.with_name(f"{work.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    if last is not None:
        write_table(unfinished / "requests.parquet", last.rows, REQUESTS_SCHEMA)
        write_table(unfinished / "telemetry.parquet", last.telemetry, TELEMETRY_SCHEMA)
    if record.status == "failed" and server_log.exists():
        shutil.copy(server_log, unfinished / "server.log")
    write_trial(unfinished, record)
    os.replace(unfinished, context.folder / "trials" / trial.trial_id)
    shutil.rmtree(work, ignore_errors=True)
