"""`study models`: a Triton model repository from a file that describes its models."""

from pathlib import Path
from typing import Annotated

import typer

from commands.common import console, say, status
from commands.errors import stopped_without_a_trace


def generate_models(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Models file (TOML), or one that comes with the study: trio or trio-small.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="Folder for the repository: a new or an empty one."),
    ],
    embedded: Annotated[
        bool,
        typer.Option(
            "--embedded",
            help="Run ONNX networks in the Python backend: the study's Triton has no other.",
        ),
    ] = False,
) -> None:
    """Generate a Triton model repository, and say what the doctor finds in it."""
    from servers.triton_service.doctor.in_words import findings_in_words
    from servers.triton_service.doctor.reading.sources import read_sources
    from servers.triton_service.doctor.rules import examine
    from servers.triton_service.models_file.reading import read_models_file
    from servers.triton_service.models_file.writing import write_models

    models = read_models_file(file)
    with stopped_without_a_trace(), status(f"writing {len(models.models)} models"):
        write_models(models, out, embedded)
    for line in findings_in_words(examine(read_sources([str(out)]))):
        console.print(line, soft_wrap=True)
    say(str(out))
