"""`study agree`: whether several runs say the same."""

from pathlib import Path
from typing import Annotated

import typer

from commands.common import console, say


def agree(
    run_dirs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Folders of two finished runs or more."),
    ],
    out: Annotated[Path | None, typer.Option(help="Markdown file to write the tables to.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON in place of the tables.")
    ] = False,
) -> None:
    """Say whether runs agree; exit code 1 where two of their verdicts exclude each other."""
    from analysis.agreement.agree import agreement
    from analysis.agreement.findings import read_findings
    from analysis.agreement.page import agreement_table, markdown
    from loadtests.records.atomic import replacing

    found = agreement([read_findings(folder) for folder in run_dirs])
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        console.print(agreement_table(found))
    if out is not None:
        with replacing(out) as unfinished:
            unfinished.write_text(markdown(found), encoding="utf-8")
        if not as_json:
            say(str(out))
    if found.n_contradict:
        raise typer.Exit(1)
