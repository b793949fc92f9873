"""`study serve`: one contender, kept running."""

from typing import Annotated

import typer

from commands.common import CACHE, ModelOption, console, contender_named


def serve(
    contender: Annotated[
        str,
        typer.Argument(metavar="CONTENDER", help="Name of a contender, as `study list` shows it."),
    ],
    port: Annotated[
        int | None,
        typer.Option(
            help="Main port of the contender; its other ports follow from it.",
            show_default="the one that `study list` shows",
        ),
    ] = None,
    model: ModelOption = None,
) -> None:
    """Start one contender and keep it running, with its URL and a curl line to try."""
    from loadtests.launch.artefacts import prepare
    from loadtests.launch.serve import serve_until_stopped
    from loadtests.records.seed import SEED

    chosen = contender_named(contender)
    artefacts = prepare(model or "small", None, SEED, CACHE, engines=(chosen.engine,))
    serve_until_stopped(chosen, artefacts, port, console)
