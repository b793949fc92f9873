"""The folder that a run fills: a new one, or that of a run which is continued."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from loadtests.host.cores import available_cores, running_on, split_cores
from loadtests.host.locks import writing
from loadtests.host.nvml import Gpu
from loadtests.launch.artefacts import Artefacts
from loadtests.measure.locust_process import LoadGenerator, load_generator
from loadtests.measure.tools import RunContext, Tools
from loadtests.plan.time_budget import plan_in_words
from loadtests.records.packing import pack
from loadtests.records.run_folder import begin_run, forget_failed, remove_unfinished, update_json
from loadtests.records.stored import RecordError
from loadtests.records.trials import Dropped, read_begun, read_json
from loadtests.run.forecast import forecast_of
from loadtests.run.manifest import changed_since, describe_run
from loadtests.run.options import RunOptions
from loadtests.run.os_limits import limits_in_force, shortages
from loadtests.run.stops import says_how_to_resume
from loadtests.spec.experiment import Experiment
from loadtests.spec.inputs import keep_inputs
from servers.discovery import Contender

LOCUST_LOG = Path("trials", ".locust.log")


@contextmanager
def opened(
    options: RunOptions,
    experiment: Experiment,
    contenders: Mapping[str, Contender],
    artefacts: Artefacts,
    tools: Tools,
) -> Iterator[RunContext]:
    """The run, begun, and this process on the load generator's cores. BudgetError where there is no
    time for anything, before a new run is written; RecordError where one cannot be continued."""
    cores = split_cores(available_cores(), experiment.load.workers)
    manifest = describe_run(experiment, artefacts, cores, options.command, tools.now())
    for sentence in shortages(experiment, limits_in_force()):
        tools.say(sentence)
    run_id = continued(options.resumed, manifest) if options.resumed else manifest["run_id"]
    folder = options.resumed or options.results / manifest["run_id"]
    load = artefacts.traffic_path, cores["load"], experiment.load.workers
    idle = LoadGenerator(*load, folder / LOCUST_LOG)
    run = RunContext(folder, experiment, artefacts, cores, Gpu.find(), run_id, tools, idle)
    if options.budget:
        forecast = forecast_of(contenders, run, options.until_s)
        tools.say(
            plan_in_words(forecast.tiers, forecast.lengths_s(), options.budget, tools.clock())
        )
    with ExitStack() as stack:
        if not options.resumed:
            folder = begin_run(options.results, manifest)
            stack.enter_context(writing(folder, options.command))
            run = replace(run, folder=folder, run_id=folder.name)
        generator = stack.enter_context(load_generator(*load, folder / LOCUST_LOG))
        stack.enter_context(says_how_to_resume(folder))
        stack.enter_context(running_on(cores["load"]))
        remove_unfinished(folder)
        keep_inputs(experiment, folder)
        yield replace(run, generator=generator)


def continued(folder: Path, manifest: Mapping[str, Any]) -> str | None:
    """The id of a run whose failed trials are made again; manifest: as a new run would have it."""
    changed = changed_since(read_json(folder / "manifest.json"), manifest)
    if changed:
        raise RecordError(
            f"{folder} cannot be continued, {changed}: "
            "its trials would not be comparable; start a new run."
        )
    forget_failed(folder)
    return read_begun(folder).run_id


def finish(run: RunContext, dropped: list[Dropped]) -> None:
    """Every trial is recorded: so is the end of the run, and what it had no time for."""
    pack(run.folder)
    update_json(
        run.folder / "manifest.json",
        finished_at=run.tools.now().isoformat(timespec="seconds"),
        dropped=[asdict(what) for what in dropped],
    )
