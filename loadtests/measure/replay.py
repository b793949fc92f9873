"""One replay of a trial's schedule against a server that is ready: what was asked and consumed."""

import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from loadtests.generator.assignment import Assignment
from loadtests.generator.schedule import Schedule
from loadtests.generator.worker_rows import read_rows
from loadtests.host.cores import disjoint
from loadtests.launch.server import CANARY_TEXT, RunningServer
from loadtests.measure.locust_process import DriveError, assign, driving
from loadtests.measure.telemetry import Sampler, process_roles
from loadtests.plan.rounds import PlannedTrial
from loadtests.records.disturbance import foreign_shares
from loadtests.records.steady_state import steady_state, with_recovery
from loadtests.spec.external import ExternalContender, is_loopback
from loadtests.wire.probe import open_probe, settled_counters

if TYPE_CHECKING:
    from loadtests.measure.tools import RunContext

SETTLE_WITHIN_S = 60.0


@dataclass(frozen=True)
class Attempt:
    """What one replay left. lag_p99_ms None: a closed loop, or nothing was sent."""

    started_at: str
    rows: pd.DataFrame
    lag_p99_ms: float | None
    foreign_share: Mapping[str, float | None]
    telemetry: pd.DataFrame
    telemetry_sources: Mapping[str, str | None]
    counters_before: Mapping[str, Any] | None
    counters_after: Mapping[str, Any] | None


def replay(
    trial: PlannedTrial, server: RunningServer, schedule: Schedule, context: "RunContext"
) -> Attempt:
    """Raises DriveError or ProbeError where the load generator or the server failed."""
    work = work_folder(trial, context)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    assignment = _assignment(trial, server, schedule, context)
    cores = _watched_cores(trial, context)
    _settle(server)
    started_at = context.tools.now().isoformat(timespec="seconds")
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
    if trial.overload:
        rows["phase"] = with_recovery(rows, trial.phases)
    rows["n_tokens"] = [context.artefacts.texts[text_id].n_tokens for text_id in rows["text_id"]]
    samples, end_s = sampler.frame(start_s), assignment.warmup_s + assignment.steady_s
    return Attempt(
        started_at,
        rows,
        steady_state(rows, trial.phases).send_lag_p99_ms if trial.level.mode == "open" else None,
        foreign_shares(samples, cores, assignment.warmup_s, end_s),
        samples,
        sampler.sources,
        before,
        after,
    )


def _assignment(
    trial: PlannedTrial, server: RunningServer, schedule: Schedule, context: "RunContext"
) -> Assignment:
    load = context.experiment.load
    return assign(
        server.address,
        trial.level,
        trial.load_phases,
        schedule,
        context.artefacts.traffic_path,
        work_folder(trial, context),
        own_cores=disjoint(context.cores),
        timeout_s=load.request_timeout_s,
        workers=load.workers,
    )


def cores_of(trial: PlannedTrial, context: "RunContext") -> Mapping[str, tuple[int, ...]]:
    """Those that the study gave to either side of a trial."""
    if isinstance(trial.contender, ExternalContender):
        return {"load": context.cores["load"]}
    return context.cores


def work_folder(trial: PlannedTrial, context: "RunContext") -> Path:
    """Hidden: what a trial writes before it is finished."""
    return context.folder / "trials" / f".{trial.trial_id}"


def _watched_cores(trial: PlannedTrial, context: "RunContext") -> Mapping[str, tuple[int, ...]]:
    """Those on which programs of others can be told from the trial's own. A service that the study
    did not start may use the load generator's cores, where it runs on this machine."""
    here = isinstance(trial.contender, ExternalContender) and is_loopback(
        trial.contender.address.host
    )
    return {} if here else cores_of(trial, context)


def _settle(server: RunningServer) -> None:
    # A server that was overloaded still works off requests whose callers have gone; the next
    # trial, and the counters, must not start before it answers again.
    with open_probe(server.address, timeout_s=SETTLE_WITHIN_S) as probe:
        for _ in range(3):
            probe.predict(CANARY_TEXT)
