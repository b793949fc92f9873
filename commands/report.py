"""`study report` and `study list`: what is there already."""

from pathlib import Path
from typing import Annotated

import typer

from commands.common import RESULTS, ResultsOption, say


def report(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
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
    from commands.reporting import write_report

    write_report(run_dir, price_per_hour, currency)


def list_all(results: ResultsOption = RESULTS) -> None:
    """List contenders, experiments and runs."""
    from commands.listing import listed

    for line in listed(results):
        say(line)
