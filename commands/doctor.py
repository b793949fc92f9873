"""`study doctor`: what is wrong with a Triton repository, how it is started, and who calls it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from commands.common import console


class OutputFormat(StrEnum):
    text = "text"
    json = "json"
    sarif = "sarif"


def doctor(
    places: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH|URL",
            help="Model repositories, compose files, shell scripts, folders with them, or the HTTP "
            "address of a running Triton.",
        ),
    ] = None,
    client: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE.py", help="Python code that calls the models. May be repeated."),
    ] = None,
    triton: Annotated[
        str | None,
        typer.Option(
            metavar="YY.MM",
            help="Release of the Triton image that is meant, such as 24.10, where no compose file "
            "says it.",
        ),
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Say what an error message means, and examine nothing."),
    ] = None,
    output: Annotated[
        OutputFormat, typer.Option("--format", help="Output for a person or for a program.")
    ] = OutputFormat.text,
) -> None:
    """Find what Triton refuses, or serves worse than meant; exit code 1 where there are errors."""
    from servers.triton_service.doctor.errors import DoctorError

    if explain is not None:
        _explain(explain, output)
        return
    if not places and not client:
        raise DoctorError(
            "expected a path or URL to examine, or --explain with a message, found neither: name "
            "one."
        )
    from servers.triton_service.doctor.in_words import findings_in_words
    from servers.triton_service.doctor.output import as_json, as_sarif
    from servers.triton_service.doctor.reading.sources import read_sources
    from servers.triton_service.doctor.rules import RULES, examine

    findings = examine(read_sources(places or (), client or (), triton))
    if output is OutputFormat.text:
        for line in findings_in_words(findings):
            console.print(line, soft_wrap=True)
    else:
        typer.echo(as_json(findings) if output is OutputFormat.json else as_sarif(findings, RULES))
    if any(finding.rule.severity == "error" for finding in findings):
        raise typer.Exit(1)


def _explain(text: str, output: OutputFormat) -> None:
    from servers.triton_service.doctor.errors import DoctorError
    from servers.triton_service.doctor.explain import explain
    from servers.triton_service.doctor.in_words import explanation_in_words
    from servers.triton_service.doctor.output import explanation_as_json

    if output is OutputFormat.sarif:
        raise DoctorError(
            "expected --format text or json with --explain, found sarif, which is for findings in "
            "files: choose one of them."
        )
    explanation = explain(text)
    if output is OutputFormat.json:
        typer.echo(explanation_as_json(explanation))
        return
    for line in explanation_in_words(explanation):
        console.print(line, soft_wrap=True)
