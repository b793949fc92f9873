"""The folder that a run fills: a new one, or that of a run which is continued."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from loadtests.host.cores import available_cores, running_on, split_cores
from loadtests.host.locks import writing
from loadtests.host.nvml import Gpu
from loadtests.host.speed_sampler import SpeedSampler
from loadtests.launch.artefacts import Artefacts
from loadtests.measure.locust_process import load_generator
from loadtests.measure.tools import RunContext, Tools
from loadtests.plan.rounds import expected_lengths_s
from loadtests.plan.time_budget import plan_in_words
from loadtests.records.packing import pack
from loadtests.records.run_folder import begin_run, forget_failed, remove_unfinished, update_json
from loadtests.records.stored import RecordError
from loadtests.records.trials import read_begun, read_json
from loadtests.run.manifest import changed_since, describe_run
from loadtests.run.options import RunOptions
from loadtests.run.os_limits import limits_in_force, shortages
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
    """Begins the run and moves this process to the load generator's cores. BudgetError if there is
    no time for anything, before a new run is written; RecordError if a run cannot be continued."""
    cores = split_cores(available_cores(), experiment.load.workers)
    manifest = describe_run(experiment, artefacts, cores, options.command, tools.now())
    for sentence in shortages(experiment, limits_in_force()):
        tools.say(sentence)
    run_id = continued(options.resumed, manifest) if options.resumed else manifest["run_id"]
    if not options.resumed:
        before_s, round_s = expected_lengths_s(experiment, contenders, options.one_at_a_time)
        budget = options.budget(experiment)
        tools.say(plan_in_words(budget, tools.clock(), before_s, round_s))
    with ExitStack() as stack:
        folder = options.resumed or begin_run(options.results, manifest)
        if not options.resumed:
            stack.enter_context(writing(folder, options.command))
        stack.enter_context(options.stops(folder))
        stack.enter_context(running_on(cores["load"]))
        remove_unfinished(folder)
        keep_inputs(experiment, folder)
        load = artefacts.traffic_path, cores["load"], experiment.load.workers
        if options.listen:
            tools.say(f"On each load generator's host: {options.listen.join_command}")
        log, listen = folder / LOCUST_LOG, options.listen
        generator = stack.enter_context(load_generator(*load, log, listen))
        speed = stack.enter_context(SpeedSampler(cores["server"]))
        run_id = run_id if options.resumed else folder.name
        gpu = Gpu.find()
        yield RunContext(
            *(folder, experiment, artefacts, cores, gpu, run_id, tools, generator), speed=speed
        )


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


def finish(run: RunContext, groups: Sequence[Sequence[str]], restless: Mapping[str, float]) -> None:
    """Records the end of the run, which contenders were up together, and which were paused between
    their slices."""
    pack(run.folder)
    update_json(
        run.folder / "manifest.json",
        finished_at=run.tools.now().isoformat(timespec="seconds"),
        groups=[list(group) for group in groups],
        paused=restless,
    )
