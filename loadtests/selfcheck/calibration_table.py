"""A calibration on the terminal."""

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from loadtests.records.shares import percent
from loadtests.selfcheck.calibration import Budget, Calibrated


def rows_tables(rows: Sequence[Calibrated]) -> Iterator[Table]:
    """One table a protocol, one row a client and load; no figure is cut at 80 columns."""
    for protocol in dict.fromkeys(row.protocol for row in rows):
        title = f"{protocol}, against a server that answers at once"
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0, leading=1)
        table.add_column("client\nload", min_width=len("tritonclient"))
        for heading in (
            *("replies\nrps", "rps per\nclient\ncore", "errors", "P50\nms", "P99\nms"),
            *("send\nlag P99\nms", "client\nCPU", "server\nCPU"),
        ):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("limited by")
        for row in rows:
            if row.protocol == protocol:
                table.add_row(f"{row.client}\n{row.load}", *_figures(row), row.limited_by)
        yield table


def _figures(row: Calibrated) -> tuple[str, ...]:
    return (
        *(f"{row.throughput_rps:,.0f}", _shown(row.rps_per_core, ",.0f"), str(row.errors)),
        *(_shown(row.service_p50_ms, ".2f"), _shown(row.service_p99_ms, ".2f")),
        _shown(row.send_lag_p99_ms, ".2f"),
        *("-" if each is None else percent(each) for each in (row.load_cpu, row.server_cpu)),
    )


def budgets_table(budgets: Sequence[Budget]) -> Table:
    """One line a budget, and whether it was met."""
    table = Table("what", "found", "budget", "", title="Budgets")
    for budget in budgets:
        sign = "at least" if budget.at_least else "at most"
        table.add_row(
            budget.name,
            f"{budget.found:.2f} {budget.unit}",
            f"{sign} {budget.bound:g} {budget.unit}",
            _VERDICTS[budget.met],
        )
    return table


_VERDICTS = {
    True: Text("met", "green"),
    False: Text("missed", "red"),
    None: Text("not judged: the core was not quiet"),
}


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
