"""`study claims`: the statements of the two source documents, and what is true of them."""

from pathlib import Path
from typing import Annotated

import typer

from commands.common import console, status


def claims(
    run_dirs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RUN",
            help="Folders of runs, or of `study colocate`, whose measurements are used.",
            show_default="the committed reference runs",
        ),
    ] = None,
    verdict: Annotated[
        str | None,
        typer.Option(
            help="Show only statements with this verdict, such as false, opinion or "
            "'holds with conditions'."
        ),
    ] = None,
    statement: Annotated[
        int | None,
        typer.Option(help="Show the statement of this number, 1 to 112, with its evidence."),
    ] = None,
) -> None:
    """Judge every statement of the two source documents, by runs and by the real server."""
    from analysis.claims.statements import (
        JudgedBy,
        judge_statement,
        read_chapters,
        statement_numbered,
        verdict_named,
    )
    from analysis.report import claims_page
    from analysis.report.statement_tables import statement_whole, statements_table

    wanted = verdict_named(verdict) if verdict else None
    chapters = read_chapters()
    chosen = [each for chapter in chapters for each in chapter.statements]
    if statement is not None:
        chosen = [statement_numbered(chapters, statement)]
    folders = [claims_page.RESULTS / name for name in claims_page.REFERENCE_RUNS]
    folders = run_dirs or [folder for folder in folders if folder.is_dir()]
    if not any(each.judged_by is JudgedBy.MEASUREMENT for each in chosen):
        folders = []
    by_run = {}
    with status("reading runs") as update:
        for folder in folders:
            update(f"reading {folder}")
            by_run[folder.resolve().name] = claims_page.claims_of(folder)
    behaviour = claims_page.behaviour_found()
    checks = behaviour.findings if behaviour else []
    judged = [judge_statement(each, by_run, checks) for each in chosen]
    if wanted:
        judged = [each for each in judged if each.verdict is wanted]
    if statement is not None and judged:
        console.print(statement_whole(judged[0]))
    else:
        console.print(statements_table(judged))
