"""One trial: warm-up, steady state and drain against a server that is ready, and its records."""

import os
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from loadtests.generator.schedule import Schedule, closed_schedule, open_schedule
from loadtests.generator.worker_rows import read_rows
from loadtests.host.cores import disjoint
from loadtests.host.disk import require_room
from loadtests.host.nvml import Gpu
from loadtests.launch.artefacts import Artefacts
from loadtests.launch.parity import (
    ExpectedAnswers,
    ParityComparison,
    answers_before_load,
    expected_answers,
)
from loadtests.launch.server import CANARY_TEXT, RunningServer
from loadtests.measure.locust_process import DriveError, assign, driving
from loadtests.measure.simulated_replies import reply_lateness_p99_ms
from loadtests.measure.telemetry import Sampler, process_roles
from loadtests.plan.rounds import PlannedTrial
from loadtests.plan.timetable import Limits
from loadtests.records.disturbance import disturbed, foreign_shares
from loadtests.records.run_trials import read_trials
from loadtests.records.steady_state import steady_state
from loadtests.records.tables import REQUESTS_SCHEMA, TELEMETRY_SCHEMA, write_table
from loadtests.records.trials import SEND_LAG_SHARE, TrialRecord, write_trial
from loadtests.spec.experiment import Experiment
from loadtests.spec.external import ExternalContender, is_loopback
from loadtests.wire.probe import ProbeError, open_probe, settled_counters

SETTLE_WITHIN_S = 60.0

MAX_ATTEMPTS = 3


@dataclass(frozen=True)
class RunContext:
    """Everything a trial needs beside its own plan."""

    folder: Path
    experiment: Experiment
    artefacts: Artefacts
    cores: Mapping[str, tuple[int, ...]]
    gpu: Gpu | None
    run_id: str | None = None


@dataclass(frozen=True)
class _Attempt:
    """What one replay of the schedule left. lag_p99_ms None: a closed loop, or nothing was sent."""

    started_at: str
    rows: pd.DataFrame
    lag_p99_ms: float | None
    foreign_share: Mapping[str, float | None]
    telemetry: pd.DataFrame
    telemetry_sources: Mapping[str, str | None]
    counters_before: Mapping[str, Any] | None
    counters_after: Mapping[str, Any] | None


def run_trial(
    trial: PlannedTrial,
    server: RunningServer,
    answers: list[ParityComparison],
    context: RunContext,
    limits: Limits,
) -> TrialRecord:
    """Runs the trial and saves it; repeats it where the load generator was late or the machine
    disturbed, and there is time.

    Both are failures of the client or the machine and are judged before any latency is looked at,
    so that repeating cannot choose results. What was found of every attempt is recorded.
    """
    work = _work_folder(trial, context)
    schedule = make_schedule(trial, context)
    lags_ms: list[float | None] = []
    foreign: list[Mapping[str, float | None]] = []
    try:
        expected = _expected_answers(trial, server, answers, schedule, context)
        for _ in range(MAX_ATTEMPTS):
            attempt = _attempt(trial, server, schedule, context)
            lags_ms.append(attempt.lag_p99_ms)
            foreign.append(attempt.foreign_share)
            again = _spoilt(attempt, context, limits)
            if not again or not limits.can_repeat(trial.expected_s):
                break
    except (DriveError, ProbeError) as error:
        tail = error.log_tail if isinstance(error, DriveError) else server.log_tail()
        client_failed = isinstance(error, DriveError) and error.client_failed
        reason = server.broken() or str(error)  # which may only be what followed
        return save_failed(trial, context, reason, tail, server.log, client_failed)
    write_table(work / "requests.parquet", attempt.rows, REQUESTS_SCHEMA)
    write_table(work / "telemetry.parquet", attempt.telemetry, TELEMETRY_SCHEMA)
    rows, planned_s = attempt.rows, trial.phases.warmup_s + trial.phases.steady_s
    record = replace(
        _record(trial, context),
        status="completed",
        started_at=attempt.started_at,
        startup_s=server.startup_s,
        phases=replace(trial.phases, drain_s=max(0.0, float(rows["done_s"].max()) - planned_s)),
        schedule_digest=schedule.digest,
        attempts_send_lag_p99_ms=tuple(lags_ms),
        attempts_foreign_share=tuple(foreign),
        parity=expected.judge(rows),
        counters_before=attempt.counters_before,
        counters_after=attempt.counters_after,
        telemetry_sources=attempt.telemetry_sources,
        reply_lateness_p99_ms=reply_lateness_p99_ms(server.log),
    )
    _save(trial, record, context, server.log, ("requests.parquet", "telemetry.parquet"))
    return record


def _spoilt(attempt: _Attempt, context: RunContext, limits: Limits) -> bool:
    """Whether the client was late, or the machine disturbed and is worth waiting for."""
    bound_ms = SEND_LAG_SHARE * context.experiment.slo.latency_ms
    late = attempt.lag_p99_ms is not None and attempt.lag_p99_ms > bound_ms
    shaken = disturbed(attempt.foreign_share, context.cores) is True
    return late or (shaken and limits.worth_waiting())


def _expected_answers(
    trial: PlannedTrial,
    server: RunningServer,
    answers: list[ParityComparison],
    schedule: Schedule,
    context: RunContext,
) -> ExpectedAnswers:
    texts = context.artefacts.texts
    if isinstance(trial.contender, ExternalContender) and not trial.contender.compare:
        return answers_before_load(server.address, schedule, texts, SETTLE_WITHIN_S)
    expected = {text.text_id: text for text in expected_answers(trial.contender, texts)}
    return ExpectedAnswers(expected, answers, context.experiment.parity_tolerance)


def make_schedule(trial: PlannedTrial, context: RunContext) -> Schedule:
    """The schedule of a trial: the same for every contender at this level and repeat."""
    n_texts, seed = len(context.artefacts.texts), trial.schedule_seed
    if trial.level.rate_rps is None:
        return closed_schedule(n_texts, seed)
    duration_s = trial.phases.warmup_s + trial.phases.steady_s
    process = context.experiment.load.arrivals
    return open_schedule(process, trial.level.rate_rps, duration_s, n_texts, seed)


def _attempt(
    trial: PlannedTrial, server: RunningServer, schedule: Schedule, context: RunContext
) -> _Attempt:
    work = _work_folder(trial, context)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    load = context.experiment.load
    assignment = assign(
        server.address,
        trial.level,
        trial.phases,
        schedule,
        context.artefacts.traffic_path,
        work,
        own_cores=disjoint(context.cores),
        timeout_s=load.request_timeout_s,
        workers=load.workers,
    )
    cores = _watched_cores(trial, context)
    _settle(server)
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    before = settled_counters(server.address, SETTLE_WITHIN_S)
    with ExitStack() as stack:
        log = work / "locust.log"
        drive = stack.enter_context(driving(assignment, context.cores["load"], log))
        roles = process_roles(server.contender, server.pid, drive.pid)
        sampler = stack.enter_context(Sampler(roles, context.gpu, cores))
        drive.wait()
    if not server.alive():
        raise DriveError("the server exited during the trial.", server.log_tail())
    if broken := server.broken():
        raise DriveError(broken, server.log_tail())
    after = settled_counters(server.address, SETTLE_WITHIN_S)
    rows, start_s = read_rows(work, assignment.warmup_s)
    rows["n_tokens"] = [context.artefacts.texts[text_id].n_tokens for text_id in rows["text_id"]]
    samples, end_s = sampler.frame(start_s), assignment.warmup_s + assignment.steady_s
    return _Attempt(
        started_at,
        rows,
        steady_state(rows, trial.phases).send_lag_p99_ms if trial.level.mode == "open" else None,
        foreign_shares(samples, cores, assignment.warmup_s, end_s),
        samples,
        sampler.sources,
        before,
        after,
    )


def _watched_cores(trial: PlannedTrial, context: RunContext) -> Mapping[str, tuple[int, ...]]:
    """Those on which programs of others can be told from the trial's own. A service that the study
    did not start may use the load generator's cores, where it runs on this machine."""
    here = isinstance(trial.contender, ExternalContender) and is_loopback(
        trial.contender.address.host
    )
    return {} if here else _cores(trial, context)


def _settle(server: RunningServer) -> None:
    # A server that was overloaded still works off requests whose callers have gone; the next
    # trial, and the counters, must not start before it answers again.
    with open_probe(server.address, timeout_s=SETTLE_WITHIN_S) as probe:
        for _ in range(3):
            probe.predict(CANARY_TEXT)


def save_failed(
    trial: PlannedTrial,
    context: RunContext,
    reason: str,
    tail: tuple[str, ...],
    server_log: Path,
    client_failed: bool = False,
) -> TrialRecord:
    """Saves a trial that did not complete: its reason and the last lines of the log. Raises the
    OSError of a full disk where that is the reason."""
    require_room(context.folder, tail)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    record = replace(
        _record(trial, context),
        reason=reason,
        log_tail=tail,
        started_at=now,
        client_failed=client_failed,
    )
    _save(trial, record, context, server_log, tables=())
    return record


def _record(trial: PlannedTrial, context: RunContext) -> TrialRecord:
    return TrialRecord(
        trial_id=trial.trial_id,
        purpose=trial.purpose,
        contender=asdict(trial.contender),
        level=trial.level,
        repeat=trial.repeat,
        order=_next_order(context.folder),
        status="failed",
        phases=trial.phases,
        cores=_cores(trial, context),
        workers=context.experiment.load.workers,
        run_id=context.run_id,
    )


def _next_order(run_dir: Path) -> int:
    """Behind every trial that is there, however many failed ones a resumed run has removed."""
    return 1 + max((trial.order for trial in read_trials(run_dir).values()), default=0)


def _cores(trial: PlannedTrial, context: RunContext) -> Mapping[str, tuple[int, ...]]:
    if isinstance(trial.contender, ExternalContender):
        return {"load": context.cores["load"]}  # the study gave that service none
    return context.cores


def _save(
    trial: PlannedTrial,
    record: TrialRecord,
    context: RunContext,
    server_log: Path,
    tables: tuple[str, ...],
) -> None:
    """Makes the trial's folder appear complete, or not at all."""
    work = _work_folder(trial, context)
    unfinished = work.with_name(f"{work.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for name in (*tables, "locust.log"):
        if (work / name).exists():
            shutil.move(work / name, unfinished / name)
    if server_log.exists():
        shutil.copy(server_log, unfinished / "server.log")
    write_trial(unfinished, record)
    os.replace(unfinished, context.folder / "trials" / trial.trial_id)
    shutil.rmtree(work, ignore_errors=True)


def _work_folder(trial: PlannedTrial, context: RunContext) -> Path:
    return context.folder / "trials" / f".{trial.trial_id}"
