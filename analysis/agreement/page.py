"""Whether runs agree, as a table in the terminal and in Markdown."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from analysis.agreement.agree import Agreement, Outcome, Row, RunShown
from analysis.agreement.findings import AT_A_LEVEL, Found
from analysis.report.words.codes import listed, said
from analysis.report.words.numbers import NONE, interval, level, times
from loadtests.records.markdown import inline, table

WITHIN = (
    "Both ratios scatter: where nothing differs, expect 5 of 6 or more within another run's 95 % "
    "interval."
)
_STYLES = {Outcome.CONTRADICT: "bold red", Outcome.OPEN: "yellow", Outcome.AGREE: "green"}
_RUN_HEAD = ("", "run", "made", "commit", "contenders were up", "machine")


def agreement_table(found: Agreement) -> RenderableType:
    """The runs, the A/A pair of each, every row with contradictions first, and a count."""
    runs = [Text(f"{i}  {', '.join(_described(run))}") for i, run in _numbered(found)]
    noise = Table(*_aa_head(), title="A/A: a contender against itself", title_justify="left")
    for cells in _aa_rows(found, "\n"):
        noise.add_row(*cells)
    columns = ("later over earlier", Column("runs", no_wrap=True))
    rows = Table(*columns, *_numbers(found), title="Findings", title_justify="left")
    for row in found.rows:
        outcome = Text(row.outcome, style=_STYLES[row.outcome])
        cells = [_cell(each, "\n") for each in row.found]
        rows.add_row(f"{_pair(row)}\n{_figure(row)}", outcome, *cells)
    return Group(*runs, *map(Text, _machines(found)), noise, rows, *map(Text, summed_up(found)))


def markdown(found: Agreement) -> str:
    """The same as a page."""
    runs = [(i, *map(inline, _described(run))) for i, run in _numbered(found)]
    rows = [
        (_pair(row), _figure(row), row.outcome, *(_cell(each, ": ") for each in row.found))
        for row in found.rows
    ]
    head = ("later over earlier", "figure", "runs", *_numbers(found))
    lines = [
        *("# Do these runs agree?", "", *summed_up(found), ""),
        *(table(_RUN_HEAD, runs), ""),
        *(line for each in _machines(found) for line in (each, "")),
        *("## A/A: a contender against itself", "", table(_aa_head(), _aa_rows(found, ": ")), ""),
        *("## Findings", "", table(head, rows)),
    ]
    return "\n".join(lines) + "\n"


def summed_up(found: Agreement) -> list[str]:
    """How many rows have which outcome, and how many capacity ratios lie where they should."""
    rows = (
        f"{len(found.rows)} findings in common: {found.n_contradict} contradict, "
        f"{found.n_open} open, {found.n_agree} agree."
    )
    if not found.n_ratios:
        return [rows, "No capacity ratio could be held against another run's interval."]
    outside = [
        f"{row.after} over {row.before} of {check.run_id} in {check.other_id}"
        for row in found.rows
        for check in row.within
        if not check.within
    ]
    named = f" Outside: {'; '.join(outside)}." if outside else ""
    return [
        rows,
        f"{found.n_within} of {found.n_ratios} times a run's capacity ratio lies within the "
        f"interval of another run.{named} {WITHIN}",
    ]


def _machines(found: Agreement) -> list[str]:
    if len(found.machines) == 1:
        return []
    return [
        f"These runs were made on {len(found.machines)} different machines: ratios may agree, "
        "absolute figures need not."
    ]


def _numbered(found: Agreement) -> list[tuple[str, RunShown]]:
    return [(str(i), run) for i, run in enumerate(found.runs, start=1)]


def _numbers(found: Agreement) -> list[str]:
    return [i for i, _ in _numbered(found)]


def _described(run: RunShown) -> Sequence[str]:
    commit = (run.commit or "unknown")[:12] + (" with changes" if run.dirty else "")
    return run.run_id, run.created_at, commit, _residency(run.groups), run.machine


def _residency(groups: Sequence[Sequence[str]]) -> str:
    if not groups:
        return "each alone"
    return "all at once" if len(groups) == 1 else f"in {len(groups)} groups"


def _pair(row: Row) -> str:
    changes = f" ({listed([said(change) for change in row.changes])})" if row.changes else ""
    return f"{row.after} over {row.before}{changes}"


def _figure(row: Row) -> str:
    return said(row.figure) + (f" at {level(row.level)}" if row.level else "")


def _cell(found: Found | None, between: str) -> str:
    if found is None:
        return NONE
    if found.ratio is None:
        return said(found.verdict)
    bounds = interval(found.low, found.high)
    within = "" if bounds == NONE else f" ({bounds})"
    return f"{said(found.verdict)}{between}{times(found.ratio)}{within}"


def _aa_head() -> Sequence[str]:
    return ("", "contender", "at", *(said(figure) for figure in AT_A_LEVEL))


def _aa_rows(found: Agreement, between: str) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    for i, run in _numbered(found):
        cells = [
            (level(each.level), *(_cell(each.found.get(figure), between) for figure in AT_A_LEVEL))
            for each in run.aa_levels
        ]
        name = run.aa_contender or "not measured"
        nothing = (NONE,) * (1 + len(AT_A_LEVEL))
        rows += [(i, name, *each) for each in cells or [nothing]]
    return rows
