"""The method of a study, on one screen: from an experiment to its report."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

from loadtests.launch.server import check_answering
from loadtests.measure.engines import EngineBench, wanted_engines
from loadtests.measure.session import started
from loadtests.measure.tools import Progress, RunContext, Tools
from loadtests.measure.trial import measure
from loadtests.records.engines import ENGINES_FILE, write_engines
from loadtests.run.agenda import Agenda
from loadtests.run.folder import finish, opened
from loadtests.run.options import RunOptions
from loadtests.run.stops import says_how_to_report
from loadtests.spec.contenders import resolve_contenders
from loadtests.spec.experiment import Experiment
from loadtests.spec.external import describe_load, external_among
from servers.discovery import Contender


def run_study(options: RunOptions, tools: Tools, report: Callable[[Path], None]) -> Path:
    """Measures the contenders of an experiment under equal load; returns the folder of the run.

    report: derives every figure from the records, decides, and writes the report.
    """
    experiment = options.read()
    contenders = resolve_contenders(experiment)
    with ExitStack() as reserved:
        reserved.enter_context(options.reserved())
        _announce_services(experiment, contenders, tools)
        tools.say("Preparing the model and the traffic")
        artefacts = tools.prepare(
            experiment.model,
            experiment.texts,
            experiment.seed,
            tools.cache,
            options.until_s,
            {contender.engine for contender in contenders.values()},
        )
        reserved.enter_context(tools.alone(options.until_s))  # the report loads the machine, too
        with (
            opened(options, experiment, contenders, artefacts, tools) as run,
            tools.watch(run) as progress,
        ):
            agenda = Agenda(contenders, run, progress, options.until_s)
            for _ in agenda.passes():
                _measure_engines(agenda, contenders, run, progress)
                # Each session is planned from what was recorded before; its contender is started,
                # its answers are compared with the expected ones, and it is stopped at the end.
                for session in chain(agenda.calibration(), agenda.search(), agenda.blocks()):
                    with session.within_time(), started(session, run) as server:
                        for trial in session.trials():
                            record = measure(trial, agenda.next_order, server, session.limits, run)
                            agenda.note(session, trial, record)
                            if server.broke_down():
                                break
            finish(run, agenda.dropped)
        with says_how_to_report(run.folder):
            report(run.folder)
    return run.folder


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
    agenda: Agenda, contenders: Mapping[str, Contender], run: RunContext, progress: Progress
) -> None:
    """Every engine alone, once; the time that the rest of the plan needs is kept free."""
    experiment, time, clock = run.experiment, agenda.time, run.tools.clock
    done = (run.folder / ENGINES_FILE).exists()
    if experiment.engines is None or done or not agenda.scope.engines:
        return
    began_s, rest_s = clock(), agenda.after_engines_s()
    bench = EngineBench(
        experiment.engines,
        run.artefacts.model_dir,
        run.cores["server"],
        experiment.texts,
        lambda: time.until_end_s() - rest_s,
    )

    def heard(line: str) -> None:
        progress.engine_underway(line, time.left_s())

    wanted = wanted_engines(contenders[name] for name in experiment.contenders)
    facts = []
    for each in run.tools.measure_engines(wanted, bench, heard):
        facts.append(each)
        progress.engine_measured(each, time.left_s())
    write_engines(run.folder, facts)
    # As planned, by definition: what engines take tells nothing of how trials keep to the plan.
    time.passed(clock() - began_s)
    time.ahead_s["engines"] = 0.0
