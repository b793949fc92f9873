"""How `study run`, `capacity` and `smoke` execute an experiment: its trials, its report."""

import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path

import psutil
import typer

from commands.common import CACHE, command_line, console, machine_lock, say, writable
from commands.errors import DISK_ERRORS
from loadtests.host.cores import available_cores, split_cores
from loadtests.host.locks import writing
from loadtests.host.nvml import Gpu
from loadtests.launch.artefacts import Artefacts, prepare
from loadtests.launch.server import check_answering
from loadtests.measure.trial import RunContext
from loadtests.plan.time_budget import TimeBudget, plan_in_words, report_s, seconds, with_time_left
from loadtests.records.disturbance import disturbances_in_words
from loadtests.records.run_folder import begin_run, forget_failed
from loadtests.records.run_trials import RunTables, read_trials
from loadtests.records.trials import RecordError, TrialRecord, read_begun, read_json
from loadtests.run.execution import execute
from loadtests.run.forecast import forecast_of
from loadtests.run.manifest import changed_since, describe_run
from loadtests.run.os_limits import limits_in_force, shortages
from loadtests.run.progress import RunProgress
from loadtests.run.trial_line import seen_in_words
from loadtests.spec.contenders import resolve_contenders
from loadtests.spec.experiment import Experiment
from loadtests.spec.external import describe_load, external_among
from loadtests.spec.file import SpecError, read_experiment, stored_experiment
from loadtests.spec.overrides import capacity_only, with_overrides
from loadtests.wire.client_limits import REMEDIES, exhausted
from servers.confine import raise_open_files
from servers.discovery import Contender


def run(
    experiment: Path | None,
    resume: Path | None,
    model: str | None,
    texts: Path | None,
    results: Path,
    report: bool,
    time_budget: str | None,
) -> None:
    length_s = None if time_budget is None else seconds(time_budget)
    if (experiment is None) == (resume is None):
        raise SpecError(
            "expected either an experiment file or --resume with the folder of a run; "
            "`study list` names both."
        )
    if resume and (model or texts):
        raise SpecError(
            "expected no --model and no --texts beside --resume, found one: a run keeps its own; "
            "leave it out, or start a new run."
        )
    if experiment:
        chosen = with_overrides(read_experiment(experiment), model, texts)
    elif resume:
        chosen = stored_experiment(read_begun(resume).experiment, resume)
    budget = None if length_s is None else _time_budget(length_s, report)
    _run(chosen, results, resume, budget, report)


def capacity(
    experiment: Path,
    slos: Sequence[str],
    budget_s: float | None,
    model: str | None,
    texts: Path | None,
    results: Path,
) -> None:
    chosen = capacity_only(read_experiment(experiment), slos, budget_s)
    _run(with_overrides(chosen, model, texts), results)


def smoke(model: str | None, texts: Path | None, results: Path) -> None:
    chosen = read_experiment(Path("smoke"))
    _run(with_overrides(chosen, model, texts), results, smoke=True)


def _report(folder: Path, smoke: bool = False) -> None:
    from commands.reporting import write_report  # how long its imports take tells a budget of time

    try:
        write_report(folder, smoke=smoke)
    except KeyboardInterrupt:
        print(f"\nStopped. Every trial is kept: study report {folder}", file=sys.stderr)
        raise typer.Exit(130) from None


def _run(
    experiment: Experiment,
    results: Path,
    resumed: Path | None = None,
    budget: TimeBudget | None = None,
    report: bool = True,
    smoke: bool = False,
) -> None:
    raise_open_files()
    writable(resumed or results)
    with ExitStack() as locks:
        if resumed:
            locks.enter_context(writing(resumed, command_line()))
        contenders = resolve_contenders(experiment)
        external = external_among(contenders.values())
        for service in external:
            say(describe_load(service, experiment.load_in_words))
        check_answering(external)
        console.print("Preparing the model and the traffic")
        until_s = budget.until_s if budget else math.inf
        artefacts = prepare(experiment.model, experiment.texts, experiment.seed, CACHE, until_s)
        locks.enter_context(machine_lock(until_s))  # the report loads the machine, too
        folder = _execute(experiment, contenders, artefacts, results, resumed, budget)
        if report:
            _report(folder, smoke)
        else:
            disturbances = disturbances_in_words(read_trials(folder).values())
            if disturbances:
                say(disturbances)
            say(str(folder))


def _execute(
    experiment: Experiment,
    contenders: Mapping[str, Contender],
    artefacts: Artefacts,
    results: Path,
    resumed: Path | None,
    budget: TimeBudget | None,
) -> Path:
    cores = split_cores(available_cores(), experiment.load.workers)
    manifest = describe_run(experiment, artefacts, cores, command_line(), datetime.now(UTC))
    folder = resumed or results / manifest["run_id"]
    if resumed:
        changed = changed_since(read_json(resumed / "manifest.json"), manifest)
        if changed:
            raise RecordError(
                f"{resumed} cannot be continued, {changed}: "
                "its trials would not be comparable; start a new run."
            )
        forget_failed(resumed)
    for sentence in shortages(experiment, limits_in_force()):
        say(sentence)
    until_s = budget.until_s if budget else math.inf
    run_id = read_begun(folder).run_id if resumed else manifest["run_id"]
    context = RunContext(folder, experiment, artefacts, cores, Gpu.find(), run_id)
    if budget:
        forecast = forecast_of(contenders, context, until_s)
        say(plan_in_words(forecast.tiers, forecast.lengths_s(), budget, time.monotonic()))
    if resumed:
        _measure(contenders, context, until_s)
        return resumed
    folder = begin_run(results, manifest)
    with writing(folder, command_line()):
        _measure(contenders, replace(context, folder=folder, run_id=folder.name), until_s)
    return folder


def _measure(contenders: Mapping[str, Contender], context: RunContext, until_s: float) -> None:
    folder = context.folder
    try:
        with RunProgress(console, partial(_seen, context)) as progress:
            execute(contenders, context, progress, until_s)
    except KeyboardInterrupt:
        print(f"\nStopped. Finished trials are kept: study run --resume {folder}", file=sys.stderr)
        raise typer.Exit(130) from None
    except OSError as error:
        number = exhausted(error)
        if number is not None:
            raise RecordError(
                f"this machine has no more of something ({error.strerror}); finished trials are "
                f"kept: {REMEDIES[number]}, then continue with study run --resume {folder}"
            ) from error
        if error.errno not in DISK_ERRORS:
            raise
        raise RecordError(
            f"cannot write to {_place(error, folder)} ({os.strerror(error.errno)}); finished "
            f"trials are kept: make room, then continue with study run --resume {folder}"
        ) from error


def _place(error: OSError, folder: Path) -> str:
    """The run's folder, or what lies elsewhere: temporary files, mostly."""
    named = str(error.filename or folder)
    return str(folder) if Path(named).is_relative_to(folder) else named


def _seen(context: RunContext, record: TrialRecord) -> str:
    rows = RunTables(context.folder).requests(record)
    return seen_in_words((record, rows), context.experiment.slo)


def _time_budget(length_s: float, report: bool) -> TimeBudget:
    # On the clock of time.monotonic: what was imported before is part of the command.
    began_s = time.monotonic() - (time.time() - psutil.Process().create_time())
    if not report:
        return TimeBudget(length_s, began_s)
    before_s = time.monotonic()
    for part in ("derive", "notebook", "terminal"):
        import_module(f"analysis.{part}")
    budget = TimeBudget(length_s, began_s, report_s(time.monotonic() - before_s))
    return with_time_left(budget, time.monotonic())
