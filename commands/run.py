"""`study run`, `study capacity` and `study smoke`: an experiment, its trials, its report."""

import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common import (
    CACHE,
    RESULTS,
    ModelOption,
    ResultsOption,
    TextsOption,
    command_line,
    console,
    machine_lock,
    say,
    writable,
)

TimeBudgetOption = Annotated[
    str | None,
    typer.Option(
        help="Time limit of the whole command, e.g. 9m or 1h; by default the experiment's."
    ),
]

if TYPE_CHECKING:
    from rich.console import RenderableType

    from loadtests.measure.locust_process import Listen
    from loadtests.records.predictions import Predictions, ToPredict
    from loadtests.spec.experiment import Experiment


def run(
    experiment: Annotated[
        Path | None,
        typer.Argument(
            metavar="EXPERIMENT",
            help="Experiment file, or the name of one that `study list` shows.",
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a run to continue: completes its last round and goes on with the next; "
            "contenders that failed are tried again."
        ),
    ] = None,
    model: ModelOption = None,
    texts: TextsOption = None,
    results: ResultsOption = RESULTS,
    report: Annotated[
        bool, typer.Option(help="Write the report at the end; `study report RUN` writes it later.")
    ] = True,
    time_budget: TimeBudgetOption = None,
    isolated: Annotated[
        bool,
        typer.Option(
            "--isolated", help="Start each contender for its slice alone; by default all stay up."
        ),
    ] = False,
    load_from: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Wait here for the experiment's load workers on other hosts; for external "
            "contenders, which those can reach. The command that joins one is printed.",
        ),
    ] = None,
) -> None:
    """Run an experiment against real servers and write its report."""
    from loadtests.run.options import experiment_of

    read = partial(experiment_of, experiment, resume, model, texts)
    _study(read, results, resume, time_budget, report, isolated=isolated, load_from=load_from)


def capacity(
    experiment: Annotated[
        Path,
        typer.Argument(
            metavar="EXPERIMENT",
            help="Experiment file, or its name; its common load levels are left out.",
        ),
    ],
    time_budget: TimeBudgetOption = None,
    slo: Annotated[
        list[str] | None,
        typer.Option(
            help="SLO such as 'p99<=50ms'; repeat the option for more. By default the experiment's."
        ),
    ] = None,
    model: ModelOption = None,
    texts: TextsOption = None,
    results: ResultsOption = RESULTS,
) -> None:
    """Search each contender's capacity under the SLO, and certify it."""
    from loadtests.spec.file import read_experiment
    from loadtests.spec.overrides import capacity_only, with_overrides

    def read() -> "Experiment":
        asked = capacity_only(read_experiment(experiment), slo or [])
        return with_overrides(asked, model, texts)

    _study(read, results, time_budget=time_budget)


def smoke(
    model: ModelOption = None, texts: TextsOption = None, results: ResultsOption = RESULTS
) -> None:
    """Run every contender once, in about two minutes, to show that all parts work."""
    from loadtests.run.options import experiment_of

    _study(partial(experiment_of, Path("smoke"), None, model, texts), results, smoke=True)


def _study(
    read: Callable[[], "Experiment"],
    results: Path,
    resume: Path | None = None,
    time_budget: str | None = None,
    report: bool = True,
    smoke: bool = False,
    isolated: bool = False,
    load_from: str | None = None,
) -> None:
    """Runs the flow of a study on this machine."""
    import psutil

    from loadtests.measure.tools import RunContext, Tools
    from loadtests.plan.time_budget import report_s, seconds
    from loadtests.run.flow import run_study
    from loadtests.run.options import RunOptions
    from loadtests.run.progress import RunProgress, tell_measured, trial_line
    from loadtests.spec.file import SpecError
    from servers.confine import raise_open_files

    def watch(run: RunContext) -> RunProgress:
        return RunProgress(console, partial(trial_line, run), lambda: interim(run.folder))

    def interim(folder: Path) -> "RenderableType":
        from commands.reporting import so_far

        return so_far(folder)

    def predict(asked: "ToPredict") -> "Predictions":
        from analysis.report.predicting import predict_run

        return predict_run(asked)

    def write(folder: Path) -> None:
        from commands.reporting import write_report

        write_report(folder, smoke=smoke)

    tools = Tools(CACHE, say, watch, machine_lock)
    budget_s = seconds(time_budget) if time_budget else None
    used_s = time.time() - psutil.Process().create_time()  # imports are part of the command
    began_s = tools.clock() - used_s
    before_s = tools.clock()
    import_module("commands.reporting" if report else "commands")
    closing_s = report_s(tools.clock() - before_s) if report else 0.0
    raise_open_files()

    def checked() -> "Experiment":
        experiment = read()
        if load_from and not experiment.external:
            raise SpecError(
                "expected an experiment with external contenders for --load-from, found none: what "
                "the study starts listens on loopback, where no other host reaches it; add an "
                "[[external]] table, or leave it out."
            )
        writable(resume or results)
        return experiment

    options = RunOptions(
        *(checked, results, command_line(), resume, began_s, budget_s, closing_s, isolated),
        listen=_listen(load_from),
    )
    run_study(options, tools, predict, write if report else partial(tell_measured, say=say))


def _listen(text: str | None) -> "Listen | None":
    from loadtests.measure.locust_process import Listen
    from loadtests.spec.file import SpecError

    if text is None:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise SpecError(
            f"expected --load-from as HOST:PORT, such as 192.0.2.7:5557, found {text!r}; give an "
            "address of this machine that the other hosts reach."
        )
    return Listen(host, int(port))
