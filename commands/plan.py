"""`study plan`: what a rate and a bound take, on a device that need not be here."""

from pathlib import Path
from typing import Annotated

import typer

from commands.common import console, say, status, writable


def plan(
    rate: Annotated[
        str, typer.Option(help="Arrival rate, such as 500, 500/s, 1.2k qps or 30k/min.")
    ] = "100",
    slo: Annotated[
        str, typer.Option(help="SLO such as 'p99<=50ms'; 0.1 % of requests may fail.")
    ] = "p99<=100ms",
    curve: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH",
            help="Curve of a simulated device, by name or as a file of `study profile`; by default "
            "the device of the run.",
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the run that the servers' CPU costs come from.",
            show_default="results/reference-cpu-2core",
        ),
    ] = None,
    price_per_hour: Annotated[
        float | None, typer.Option(help="Price of an hour of one replica, GPU included.")
    ] = None,
    growth: Annotated[
        str, typer.Option(help="Growth of the rate to plan for, such as 2x or +50%.")
    ] = "1x",
    replicas_survive: Annotated[
        int, typer.Option(min=0, max=100, help="Replicas that may be down.")
    ] = 0,
    cores: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=256,
            help="With --curve: cores for the server of each replica; by default as in the run.",
        ),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(
            help="Write the winner map to this file, .svg or .png; the word simulated is added to "
            "the name where it is."
        ),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Show predictions beside every point of this run instead; with --run, costs come "
            "from that one.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON in place of the tables.")
    ] = False,
) -> None:
    """Say who meets an SLO at a rate, with how many replicas, at what cost; predict what was not
    measured."""
    from analysis.predict.asked import growth_from, rate_from
    from analysis.report import planning
    from analysis.report.figures.winner_map import figure_path, figure_suffix, write_winner_map
    from analysis.report.plan_json import as_text
    from analysis.report.plan_tables import check_table, plan_table
    from loadtests.records.device_curve import curve_named
    from loadtests.spec.overrides import slo_from

    if check is not None:
        with status("replaying the run's arrivals"):
            errors = planning.checked(check, run)
        typer.echo(as_text(errors)) if as_json else console.print(check_table(errors))
        return
    asked = planning.Asked(
        rate_rps=rate_from(rate),
        slo=slo_from(slo, planning.MAX_ERROR_RATIO),
        growth=growth_from(growth),
        survive=replicas_survive,
        price_per_hour=price_per_hour,
        cores=cores,
    )
    device = curve_named(curve) if curve else None
    if figure is not None:
        figure_suffix(figure)
        figure = figure_path(figure, simulated=device is not None)
        writable(figure.parent)
    with status("simulating the contenders, about a minute"):
        found, winners = planning.planned(run or planning.DEFAULT_RUN, asked, device, bool(figure))
    typer.echo(as_text(found)) if as_json else console.print(plan_table(found))
    if figure is not None and winners is not None:
        write_winner_map(winners, found, figure)
        if not as_json:
            say(str(figure))
