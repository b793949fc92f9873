"""The recommendation, or what a smoke run saw, as short tables for the terminal."""

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from analysis.report.summary import Summary
from analysis.report.tables import SloCapacities, capacities_by_slo
from analysis.report.wording import capacity_interval, number, rate, times_within


def recommendation_table(summary: Summary) -> RenderableType:
    """What to choose at which arrival rate, and what each contender sustains for each SLO."""
    slo = summary.manifest.experiment.slo
    warnings = [Text(text, style="bold yellow") for text in summary.warnings]
    reference = summary.manifest.experiment.reference
    tables = [_capacities(p, reference) for p in capacities_by_slo(summary.capacities)]
    return Group(*warnings, _choices(summary, f"Recommendation for {slo}"), *tables)


def smoke_table(summary: Summary) -> RenderableType:
    """What each contender did at the planned rates: whether all parts work, and no capacity."""
    columns = (Column("contender", no_wrap=True), "at", "answered", "P50, ms", "longest, ms")
    title = "Every part was tried; so short a run measures nothing well"
    table = Table(*columns, title=title, title_justify="left")
    failed = []
    for point in summary.points:
        if not point.planned or point.rate_rps is None:
            continue
        found = point.metrics
        table.add_row(
            point.contender,
            rate(point.rate_rps),
            f"{found.n_ok} of {found.n_offered}" if found else "none",
            number(found.latency_p50_ms if found else None),
            number(found.latency_max_ms if found else None),
        )
        if found is None:
            reasons = "; ".join(finding.detail for finding in point.findings)
            failed.append(Text(f"{point.contender}: {reasons}", style="bold yellow"))
    return Group(table, *failed)


def _choices(summary: Summary, title: str) -> Table:
    table = Table("arrival rate", "choose", "because", title=title, title_justify="left")
    for choice in summary.recommendation.choices:
        style = "green" if choice.contender else "yellow"
        name = Text(choice.contender or str(choice.answer), style=style)
        table.add_row(choice.rates, name, choice.because)
    return table


def _capacities(panel: SloCapacities, reference: str) -> Table:
    columns = ("contender", "certified at", "interval, rps", f"over {reference}")
    table = Table(*columns, title=f"Capacity for {panel.slo}", title_justify="left")
    for capacity in panel.capacities:
        ratio = times_within(capacity.ratio, capacity.ratio_low, capacity.ratio_high)
        certified_rps = capacity.certified_rps
        table.add_row(
            capacity.contender,
            Text("not certified", style="yellow") if certified_rps is None else rate(certified_rps),
            capacity_interval(capacity),
            "reference" if capacity.contender == reference else ratio,
        )
    return table
