"""The statements of the two documents in the terminal: all in a table, or one whole."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from analysis.claims.statements import Judged, StatementVerdict
from analysis.report.words import statements as words
from analysis.report.words.codes import said

_STYLES = {
    StatementVerdict.HOLDS: "green",
    StatementVerdict.CONDITIONAL: "yellow",
    StatementVerdict.FALSE: "red",
}


def statements_table(judged: Sequence[Judged]) -> RenderableType:
    """One row a statement, and how many there are of each verdict."""
    columns = (Column("no.", justify="right"), "statement", "judged by", "verdict")
    table = Table(*columns)
    for each in judged:
        statement = each.statement
        table.add_row(
            str(statement.number),
            Text(f"{statement.text} ({words.DOCUMENTS[statement.document]})"),
            words.WAYS[statement.judged_by],
            Text(said(each.verdict), style=_STYLES.get(each.verdict, "")),
        )
    return Group(table, Text(words.counts(judged), style="bold"))


def statement_whole(judged: Judged) -> RenderableType:
    """Everything that is known of one statement."""
    statement = judged.statement
    rows = [
        ("document", words.DOCUMENTS[statement.document]),
        ("judged by", words.WAYS[statement.judged_by]),
        ("verdict", words.verdict(judged)),
        ("evidence", "\n".join(words.evidence(judged))),
        (words.correction(judged), statement.corrected),
    ]
    table = Table.grid(padding=(0, 2))
    for name, text in rows:
        if text:
            table.add_row(Text(name, style="bold"), Text(text))
    return Group(Text(f"{statement.number}. {statement.text}", style="bold"), table)
