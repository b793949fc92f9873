"""`study run`, `study capacity` and `study smoke`: an experiment, its trials, its report."""

import math
import sys
import time
from collections.abc import Mapping
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
    say,
)
from commands.errors import DISK_ERRORS
from commands.report import write_report
from loadtests.artefacts import prepare
from loadtests.budget import TimeBudget, plan_in_words, report_s, seconds
from loadtests.contenders import resolve_contenders
from loadtests.cores import available_cores, split_cores
from loadtests.disturbance import disturbances_in_words
from loadtests.experiment_changes import capacity_only, with_overrides
from loadtests.experiment_file import SpecError, read_experiment, stored_experiment
from loadtests.external import describe_load, external_among
from loadtests.forecast import forecast_of
from loadtests.launch import check_answering
from loadtests.manifest import changed_since, describe_run
from loadtests.nvml import Gpu
from loadtests.progress import RunProgress
from loadtests.records import RecordError, read_json, read_trial, trial_folders, write_json
from loadtests.run import execute
from loadtests.run_folder import forget_failed
from loadtests.spec import Experiment
from loadtests.trial import RunContext
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
    folder = _execute(chosen, results, resume, budget)
    if report:
        write_report(folder)
    else:
        disturbances = disturbances_in_words(map(read_trial, trial_folders(folder)))
        if disturbances:
            say(disturbances)
        say(str(folder))


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
    write_report(_execute(with_overrides(chosen, model, texts), results))


def smoke(
    model: ModelOption = None, texts: TextsOption = None, results: ResultsOption = RESULTS
) -> None:
    """Run every contender once, in about two minutes, to see that all parts work."""
    chosen = read_experiment(EXPERIMENTS / "smoke.toml")
    write_report(_execute(with_overrides(chosen, model, texts), results))


def _execute(
    experiment: Experiment,
    results: Path,
    resumed: Path | None = None,
    budget: TimeBudget | None = None,
) -> Path:
    contenders = resolve_contenders(experiment)
    external = external_among(contenders.values())
    for service in external:
        say(describe_load(service, experiment.load_in_words))
    check_answering(external)
    console.print("Preparing the model and the traffic")
    until_s = budget.until_s if budget else math.inf
    artefacts = prepare(experiment.model, experiment.texts, experiment.seed, CACHE, until_s)
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
    context = RunContext(folder, experiment, artefacts, cores, Gpu.find())
    if budget:
        forecast = forecast_of(contenders, context, until_s)
        say(plan_in_words(forecast.rungs, forecast.lengths_s(), budget, time.monotonic()))
    if not resumed:
        folder.mkdir(parents=True)
        write_json(folder / "manifest.json", manifest)
    _measure(contenders, context, until_s)
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
        if error.errno not in DISK_ERRORS:
            raise
        raise RecordError(
            f"cannot write to {folder} ({error.strerror}); finished trials are kept: make room, "
            f"then continue with study run --resume {folder}"
        ) from error


def _time_budget(length_s: float, report: bool) -> TimeBudget:
    # On the clock of time.monotonic: what was imported before is part of the command.
    began_s = time.monotonic() - (time.time() - psutil.Process().create_time())
    if not report:
        return TimeBudget(length_s, began_s)
    before_s = time.monotonic()
    for part in ("derive", "notebook", "terminal"):
        import_module(f"analysis.{part}")
    return TimeBudget(length_s, began_s, report_s(time.monotonic() - before_s))
