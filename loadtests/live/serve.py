"""The flow of `study ui`: contenders and web UI up, and both stopped at its end."""

import math
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from loadtests.host.cores import available_cores, running_on, split_cores
from loadtests.host.nvml import Gpu
from loadtests.launch.artefacts import Artefacts
from loadtests.launch.server import cause_in, log_tail
from loadtests.live.fleet import Fleet
from loadtests.live.options import UiOptions, user_classes
from loadtests.live.runs import unsaved_in_words
from loadtests.live.session import Session
from loadtests.live.watch import Watch
from loadtests.live.web import refuse_busy, web_ui
from loadtests.measure.locust_process import LoadGenerator
from loadtests.measure.residents import Residents
from loadtests.measure.tools import RunContext, Tools
from loadtests.spec.experiment import Experiment


def serve_ui(options: UiOptions, tools: Tools) -> None:
    """Until Ctrl-C, or the end of the web UI."""
    refuse_busy(options.web)
    if left := unsaved_in_words(options.results):
        tools.say(left)
    tools.say("Preparing the model and the traffic")
    engines = {contender.engine for contender in options.contenders.values()}
    artefacts = {
        name: tools.prepare(options.model, file, options.seed, tools.cache, math.inf, engines)
        for name, file in options.texts.items()
    }
    first = next(iter(artefacts.values()))
    cores = split_cores(available_cores(), 1)
    with ExitStack() as stack:
        residents = stack.enter_context(Residents(_context(options, first, cores, tools)))
        fleet = Fleet(options.contenders, residents)
        session = Session(options, tools, artefacts, cores, fleet)
        told = {
            "user_classes": user_classes(options),
            "traffic": {name: str(made.traffic_path) for name, made in artefacts.items()},
        }
        log = options.folder / "web-ui.log"
        # Only the threads that begin here stay there: a run finds its cores by this one's.
        with running_on(cores["load"]):
            ui = web_ui(options.web, told, cores["load"], log, session.desk.answer)
            process = stack.enter_context(ui)
            watching = Watch(fleet.up, lambda: session.desk.busy, Gpu.find())
            watch = stack.enter_context(watching)
        session.ended = lambda: "" if process.poll() is None else _why_ended(process.poll(), log)
        fleet.server_sides, fleet.gpu = watch.found, lambda: watch.gpu
        tools.say(options.web.url)
        for name in fleet.start():
            tools.say(f"{name} is up" if name in fleet.up() else f"{name} did not start")
        tools.say("Ctrl-C stops all of it")
        session.go_on()


def _why_ended(code: int | None, log: Path) -> str:
    return f"Locust's web UI ended with exit code {code}: {cause_in(log_tail(log))}"


def _context(
    options: UiOptions, artefacts: Artefacts, cores: Mapping[str, tuple[int, ...]], tools: Tools
) -> RunContext:
    """What keeping contenders up needs of a run; nothing is measured with it."""
    experiment = Experiment.model_validate(
        {
            "name": "session",
            "contenders": list(options.contenders),
            "load": {"rates_rps": [1]},
            "reference": next(iter(options.contenders)),
        }
    )
    log = options.folder / "unused.log"
    generator = LoadGenerator(artefacts.traffic_path, cores["load"], 1, log)
    return RunContext(
        options.folder, experiment, artefacts, cores, Gpu.find(), None, tools, generator
    )
