"""The recommendation, or what a smoke run saw, as short tables for the terminal."""

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from analysis.report.summary import Summary
from analysis.report.tables import SloCapacities, capacities_by_slo
from analysis.report.words import certificates, decision
from analysis.report.words.numbers import number, rate, times_within
from analysis.report.words.run import warnings


def recommendation_table(summary: Summary) -> RenderableType:
    """What to choose at which arrival rate, and what each contender sustains for each SLO."""
    slo = summary.manifest.experiment.slo
    cautions = [Text(text, style="bold yellow") for text in warnings(summary)]
    reference = summary.manifest.experiment.reference
    tables = [_capacities(p, reference) for p in capacities_by_slo(summary.capacities)]
    return Group(
        *cautions, _choices(summary, f"Recommendation for {decision.objective(slo)}"), *tables
    )


def smoke_table(summary: Summary) -> RenderableType:
    """What each contender did at the planned rates: whether all parts work, and no capacity."""
    columns = (Column("contender", no_wrap=True), "at", "answered", "P50, ms", "longest, ms")
    title = "Smoke run: every part was tried; the run is too short to measure anything"
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
            reasons = "; ".join(certificates.found(finding) for finding in point.findings)
            failed.append(Text(f"{point.contender}: {reasons}", style="bold yellow"))
    return Group(table, *failed)


def _choices(summary: Summary, title: str) -> Table:
    table = Table("arrival rate", "choose", "because", title=title, title_justify="left")
    for choice in summary.recommendation.choices:
        style = "green" if choice.contender else "yellow"
        because = decision.because(choice, summary.recommendation.out)
        table.add_row(decision.rates(choice), Text(decision.chosen(choice), style=style), because)
    return table


def _capacities(panel: SloCapacities, reference: str) -> Table:
    columns = ("contender", "certified at", "interval, rps", f"over {reference}")
    table = Table(
        *columns, title=f"Capacity for {decision.objective(panel.slo)}", title_justify="left"
    )
    for capacity in panel.capacities:
        ratio = times_within(capacity.ratio, capacity.ratio_low, capacity.ratio_high)
        certified_rps = capacity.certified_rps
        table.add_row(
            capacity.contender,
            Text("not certified", style="yellow") if certified_rps is None else rate(certified_rps),
            decision.capacity_interval(capacity),
            "reference" if capacity.contender == reference else ratio,
        )
    return table
