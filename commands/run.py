"""`study run`, `study capacity` and `study smoke`: an experiment, its trials, its report."""

from pathlib import Path
from typing import Annotated

import typer

from commands.common import RESULTS, ModelOption, ResultsOption, TextsOption


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
            help="Folder of a run to continue: keeps completed trials, repeats failed ones."
        ),
    ] = None,
    model: ModelOption = None,
    texts: TextsOption = None,
    results: ResultsOption = RESULTS,
    report: Annotated[
        bool, typer.Option(help="Write the report at the end; `study report RUN` writes it later.")
    ] = True,
    time_budget: Annotated[
        str | None,
        typer.Option(
            help="Time budget of the whole command, e.g. 9m or 1h; drops the highest tiers first."
        ),
    ] = None,
) -> None:
    """Run an experiment against real servers and write its report."""
    from commands import running

    running.run(experiment, resume, model, texts, results, report, time_budget)


def capacity(
    experiment: Annotated[
        Path,
        typer.Argument(
            metavar="EXPERIMENT",
            help="Experiment file, or its name; its common load levels are left out.",
        ),
    ],
    budget_s: Annotated[
        float | None,
        typer.Option(
            min=1,
            max=86_400,
            help="Seconds for search and certification; by default those of the experiment.",
        ),
    ] = None,
    slo: Annotated[
        list[str] | None,
        typer.Option(
            help="SLO such as 'p99<=50ms'; several may be given. By default the experiment's."
        ),
    ] = None,
    model: ModelOption = None,
    texts: TextsOption = None,
    results: ResultsOption = RESULTS,
) -> None:
    """Search each contender's capacity under the SLO, and certify it by repeats."""
    from commands import running

    running.capacity(experiment, slo or [], budget_s, model, texts, results)


def smoke(
    model: ModelOption = None, texts: TextsOption = None, results: ResultsOption = RESULTS
) -> None:
    """Run every contender once, in about two minutes, to show that all parts work."""
    from commands import running

    running.smoke(model, texts, results)
