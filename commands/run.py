"""`study run`, `study capacity` and `study smoke`: an experiment, its trials, its report."""

import math
import os
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated

import psutil
import typer

from commands.common import (
    CACHE,
    EXPERIMENTS,
    RESULTS,
    ModelOption,
    ResultsOption,
    TextsOption,
    command_line,
    console,
    machine_lock,
    say,
)
from commands.errors import DISK_ERRORS
from commands.report import write_report
from loadtests.artefacts import Artefacts, prepare
from loadtests.budget import TimeBudget, plan_in_words, report_s, seconds
from loadtests.client_limits import REMEDIES, exhausted
from loadtests.contenders import resolve_contenders
from loadtests.cores import available_cores, split_cores
from loadtests.experiment_changes import capacity_only, with_overrides
from loadtests.experiment_file import SpecError, read_experiment, stored_experiment
from loadtests.external import describe_load, external_among
from loadtests.forecast import forecast_of
from loadtests.launch import check_answering
from loadtests.locks import writing
from loadtests.manifest import changed_since, describe_run
from loadtests.nvml import Gpu
from loadtests.os_limits import limits_in_force, shortages
from loadtests.progress import RunProgress
from loadtests.records import RecordError, read_json
from loadtests.run import execute
from loadtests.run_folder import begin_run, forget_failed
from loadtests.spec import Experiment
from loadtests.trial import RunContext
from servers.confine import raise_open_files
from servers.discovery import Contender


def run(
    experiment: Annotated[
        Path | None,
        typer.Argument(help="An experiment file, or the name of one that `study list` shows."),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Continue this run: finished trials are kept, failed ones made again."),
    ] = None,
    model: ModelOption = None,
    texts: TextsOption = None,
    results: ResultsOption = RESULTS,
    report: Annotated[
        bool, typer.Option(help="Write the report at the end; `study report RUN` does so later.")
    ] = True,
    time_budget: Annotated[
        str | None,
        typer.Option(help="E.g. 9m: end within it, the report included; measure what tells most."),
    ] = None,
) -> None:
    """Run an experiment against real servers and write its report."""
    length_s = None if time_budget is None else seconds(time_budget)
    if (experiment is None) == (resume is None):
        raise SpecError(
            "expected either an experiment file or --resume with the folder of a run; "
            "`study list` names both."
        )
    if experiment:
        chosen = with_overrides(read_experiment(experiment), model, texts)
    elif resume:
        chosen = stored_experiment(read_json(resume / "manifest.json")["experiment"])
    budget = None if length_s is None else _time_budget(length_s, report)
    _run(chosen, results, resume, budget, report)


def capacity(
    experiment: Annotated[
        Path, typer.Argument(help="An experiment file; its common load levels are left out.")
    ],
    budget_s: Annotated[
        float | None,
        typer.Option(
            min=1,
            max=86_400,
            help="Seconds for search and certification; else the experiment's.",
        ),
    ] = None,
    slo: Annotated[
        list[str] | None,
        typer.Option(help="E.g. 'p99<=50ms'; several may be given. Else the experiment's."),
    ] = None,
    model: ModelOption = None,
    texts: TextsOption = None,
    results: ResultsOption = RESULTS,
) -> None:
    """Find each contender's highest arrival rate that meets the SLO, and certify it by repeats."""
    chosen = capacity_only(read_experiment(experiment), slo or [], budget_s)
    _run(with_overrides(chosen, model, texts), results)


def smoke(
    model: ModelOption = None, texts: TextsOption = None, results: ResultsOption = RESULTS
) -> None:
    """Run every contender once, in about two minutes, to see that all parts work."""
    chosen = read_experiment(EXPERIMENTS / "smoke.toml")
    _run(with_overrides(chosen, model, texts), results)


def _run(
    experiment: Experiment,
    results: Path,
    resumed: Path | None = None,
    budget: TimeBudget | None = None,
    report: bool = True,
) -> None:
    raise_open_files()
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
        locks.enter_context(machine_lock())  # the report loads the machine, too
        folder = _execute(experiment, contenders, artefacts, results, resumed, budget)
        if report:
            _report(folder)
        else:
            say(str(folder))


def _report(folder: Path) -> None:
    try:
        write_report(folder)
    except KeyboardInterrupt:
        print(f"\nStopped. Every trial is kept: study report {folder}", file=sys.stderr)
        raise typer.Exit(130) from None


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
    context = RunContext(folder, experiment, artefacts, cores, Gpu.find())
    if budget:
        forecast = forecast_of(contenders, context, until_s)
        say(plan_in_words(forecast.rungs, forecast.lengths_s(), budget, time.monotonic()))
    if resumed:
        _measure(contenders, context, until_s)
        return resumed
    folder = begin_run(results, manifest)
    with writing(folder, command_line()):
        _measure(contenders, replace(context, folder=folder), until_s)
    return folder


def _measure(contenders: Mapping[str, Contender], context: RunContext, until_s: float) -> None:
    folder = context.folder
    try:
        with RunProgress(console) as progress:
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


def _time_budget(length_s: float, report: bool) -> TimeBudget:
    # On the clock of time.monotonic: what was imported before is part of the command.
    began_s = time.monotonic() - (time.time() - psutil.Process().create_time())
    if not report:
        return TimeBudget(length_s, began_s)
    before_s = time.monotonic()
    for part in ("derive", "notebook", "terminal"):
        import_module(f"analysis.{part}")
    return TimeBudget(length_s, began_s, report_s(time.monotonic() - before_s))
