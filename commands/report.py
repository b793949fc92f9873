"""`study report` and `study list`: what is there already."""

from pathlib import Path
from typing import Annotated

import typer

from commands.common import RESULTS, ResultsOption, say


def report(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    at_rate: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            max=1e9,
            help="Arrival rate to decide for, in requests a second; by default the experiment's "
            "highest common rate.",
        ),
    ] = None,
    headroom: Annotated[
        float,
        typer.Option(
            min=0.01, max=1, help="Share of its certified capacity to plan each replica with."
        ),
    ] = 1.0,
    weight: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Weight of a component in operational complexity, such as 'tritonserver=2'; 1 for "
            "every other. May be repeated.",
        ),
    ] = None,
    price_per_hour: Annotated[
        float | None,
        typer.Option(
            min=0.0001,
            max=1_000_000,
            help="Price of an hour of the server's machine; by default that of the experiment.",
        ),
    ] = None,
    currency: Annotated[str, typer.Option(help="Currency of that price.")] = "USD",
) -> None:
    """Write a run's report, decision, summary, figures and notebook again from its records."""
    from analysis.capacity.cost import price_given
    from analysis.decide.asked import Asked, weights_given
    from commands.reporting import write_report

    weights = weights_given(weight or [])
    price = price_given(price_per_hour, currency)
    write_report(run_dir, Asked(price, at_rate, headroom, weights))


def list_all(results: ResultsOption = RESULTS) -> None:
    """List contenders, experiments, runs and searches."""
    from commands.listing import listed

    for line in listed(results):
        say(line)
