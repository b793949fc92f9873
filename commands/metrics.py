"""`study metrics`: where Prometheus finds what each contender counts, and what that is now."""

from typing import Annotated

import typer

from commands.common import console, contender_named


def metrics(
    contenders: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CONTENDER...]",
            help="Names of contenders, as `study list` shows them; where none is named, all.",
            show_default=False,
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Address of a running server, such as http://127.0.0.1:8010: show its present "
            "values.",
        ),
    ] = None,
) -> None:
    """Show where each contender has its metrics for Prometheus, and their names."""
    from commands.listing import aligned

    if url is not None:
        from loadtests.wire.metrics import read_metrics

        for line in aligned(iter(read_metrics(url))):
            console.print(line, soft_wrap=True)
        return
    from loadtests.launch.serve import default_ports
    from servers.discovery import Contender, discover
    from servers.metric_places import PATH, place_of

    def row(contender: Contender) -> tuple[str, str, str]:
        place = place_of(contender)
        if place is None:
            return contender.name, "none", "it calibrates the load generator"
        ports = default_ports(contender, None)
        port = ports.main if place.port == "main" else ports.extra[place.port]
        return contender.name, f"http://127.0.0.1:{port}{PATH}", " ".join(place.names)

    chosen = [contender_named(name) for name in contenders or discover()]
    for line in aligned(map(row, chosen)):
        console.print(line, soft_wrap=True)
    console.print(
        "\nThe ports are those of `study serve`; with --port they move along. In a measured run "
        "they are chosen when it starts.",
        soft_wrap=True,
    )
