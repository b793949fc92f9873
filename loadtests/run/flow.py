"""The method of a study, on one screen: from an experiment to its report."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from loadtests.launch.server import check_answering
from loadtests.measure.engines import EngineBench, wanted_engines
from loadtests.measure.residents import Residents
from loadtests.measure.tools import Progress, RunContext, Tools
from loadtests.measure.trial import measure
from loadtests.plan.rounds import PlannedTrial
from loadtests.records.engines import ENGINES_FILE, write_engines
from loadtests.records.predictions import Predict
from loadtests.run.folder import finish, opened
from loadtests.run.foretell import foretell
from loadtests.run.options import RunOptions
from loadtests.run.rotation import Rotation
from loadtests.run.stops import says_how_to_report
from loadtests.spec.contenders import resolve_contenders
from loadtests.spec.experiment import Experiment
from loadtests.spec.external import describe_load, external_among
from servers.discovery import Contender


def run_study(
    options: RunOptions, tools: Tools, predict: Predict | None, report: Callable[[Path], None]
) -> Path:
    """Measures the contenders of an experiment under equal load; returns the folder of the run.

    predict: before the first slice; None: not. report: derives, decides, and writes what it found.
    """
    experiment = options.read()
    contenders = resolve_contenders(experiment)
    with ExitStack() as reserved:
        reserved.enter_context(options.reserved())
        until_s = options.budget(experiment).until_s
        _announce_services(experiment, contenders, tools)
        tools.say("Preparing the model and the traffic")
        engines = {contender.engine for contender in contenders.values()}
        artefacts = tools.prepare(
            experiment.model, experiment.texts, experiment.seed, tools.cache, until_s, engines
        )
        reserved.enter_context(tools.alone(until_s))  # the report loads the machine, too
        with (
            opened(options, experiment, contenders, artefacts, tools) as run,
            tools.watch(run) as progress,
        ):
            rotation = Rotation(contenders, run, progress, until_s)
            _measure_engines(rotation, contenders, run, progress)
            foretell(rotation, contenders, run, predict)
            with Residents(run, one_at_a_time=True) as null, rotation.within_time():
                for trial in rotation.calibration():
                    _measure(trial, null, rotation, run)
            # All are started first and stay up. A round loads each of them once, within seconds of
            # the others; what it gets is planned from what was recorded before.
            while rotation.waiting:
                with Residents(run, options.one_at_a_time) as residents, rotation.within_time():
                    rotation.begin(residents)
                    for trial in rotation.slices(residents):
                        _measure(trial, residents, rotation, run)
            finish(run, [] if options.one_at_a_time else rotation.groups, rotation.restless)
        with says_how_to_report(run.folder):
            report(run.folder)
    return run.folder


def _measure(
    trial: PlannedTrial, residents: Residents, rotation: Rotation, run: RunContext
) -> None:
    began_s = run.tools.clock()
    with residents.serving(trial.contender, trial.anew) as started:
        history = rotation.history
        now = replace(run, residents=residents.pids(), probes_ms=history.probes_ms)
        record = measure(trial, history.next_order, started, now)
    rotation.note(trial, record, run.tools.clock() - began_s)


def _announce_services(
    experiment: Experiment, contenders: Mapping[str, Contender], tools: Tools
) -> None:
    """Says which load goes to services that the study did not start; LaunchError where one of them
    does not answer."""
    external = external_among(contenders.values())
    for service in external:
        tools.say(describe_load(service, experiment.load_in_words))
    check_answering(external)


def _measure_engines(
    rotation: Rotation, contenders: Mapping[str, Contender], run: RunContext, progress: Progress
) -> None:
    """Every engine alone, once, in at most half of the time that is left."""
    experiment = run.experiment
    if experiment.engines is None or (run.folder / ENGINES_FILE).exists():
        return
    kept_s = rotation.left_s() / 2
    bench = EngineBench(
        experiment.engines,
        run.artefacts.model_dir,
        run.cores["server"],
        experiment.texts,
        lambda: rotation.left_s() - kept_s,
    )
    facts = []
    wanted = wanted_engines(contenders[name] for name in experiment.contenders)
    for each in run.tools.measure_engines(
        wanted, bench, lambda line: progress.engine_underway(line, rotation.left_s())
    ):
        facts.append(each)
        progress.engine_measured(each, rotation.left_s())
    write_engines(run.folder, facts)
