"""How `study run`, `capacity` and `smoke` execute an experiment: its trials, its report."""

import math
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path

import psutil
import typer

from commands.common import CACHE, command_line, console, say, writable
from commands.errors import DISK_ERRORS
from loadtests.artefacts import prepare
from loadtests.budget import TimeBudget, plan_in_words, report_s, seconds
from loadtests.contenders import resolve_contenders
from loadtests.cores import available_cores, split_cores
from loadtests.experiment_changes import capacity_only, with_overrides
from loadtests.experiment_file import SpecError, read_experiment, stored_experiment
from loadtests.external import describe_load, external_among
from loadtests.forecast import forecast_of
from loadtests.launch import check_answering
from loadtests.manifest import changed_since, describe_run
from loadtests.nvml import Gpu
from loadtests.progress import RunProgress
from loadtests.records import RecordError, TrialRecord, read_json, write_json
from loadtests.run import execute
from loadtests.run_folder import forget_failed
from loadtests.seen import seen_in_words
from loadtests.spec import Experiment
from loadtests.tables import read_requests
from loadtests.trial import RunContext
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
    if experiment:
        chosen = with_overrides(read_experiment(experiment), model, texts)
    elif resume:
        chosen = stored_experiment(read_json(resume / "manifest.json")["experiment"], resume)
    budget = None if length_s is None else _time_budget(length_s, report)
    folder = _execute(chosen, results, resume, budget)
    if report:
        _report(folder)
    else:
        say(str(folder))


def capacity(
    experiment: Path,
    slos: Sequence[str],
    budget_s: float | None,
    model: str | None,
    texts: Path | None,
    results: Path,
) -> None:
    chosen = capacity_only(read_experiment(experiment), slos, budget_s)
    _report(_execute(with_overrides(chosen, model, texts), results))


def smoke(model: str | None, texts: Path | None, results: Path) -> None:
    chosen = read_experiment(Path("smoke"))
    _report(_execute(with_overrides(chosen, model, texts), results), smoke=True)


def _report(folder: Path, smoke: bool = False) -> None:
    from commands.reporting import write_report  # how long its imports take tells a budget of time

    write_report(folder, smoke=smoke)


def _execute(
    experiment: Experiment,
    results: Path,
    resumed: Path | None = None,
    budget: TimeBudget | None = None,
) -> Path:
    writable(resumed or results)
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
        with RunProgress(console, partial(_seen, context)) as progress:
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


def _seen(context: RunContext, record: TrialRecord) -> str:
    rows = read_requests(context.folder / "trials" / record.trial_id)
    return seen_in_words((record, rows), context.experiment.slo)


def _time_budget(length_s: float, report: bool) -> TimeBudget:
    # On the clock of time.monotonic: what was imported before is part of the command.
    began_s = time.monotonic() - (time.time() - psutil.Process().create_time())
    if not report:
        return TimeBudget(length_s, began_s)
    before_s = time.monotonic()
    for part in ("derive", "notebook", "terminal"):
        import_module(f"analysis.{part}")
    return TimeBudget(length_s, began_s, report_s(time.monotonic() - before_s))
