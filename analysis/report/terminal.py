"""The recommendation, what a smoke run saw, or what a run has shown so far, as short tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from analysis.capacity.certified import Capacity
from analysis.compare.intervals import Metric
from analysis.compare.ratios import Comparison
from analysis.compare.verdicts import figure
from analysis.report.interim import Interim
from analysis.report.summary import Summary
from analysis.report.tables import SloCapacities, capacities_by_slo, common_rate, over_reference
from analysis.report.words import answer, certificates, decision, record
from analysis.report.words.numbers import interval, number, plain, rate, times, verdict
from analysis.report.words.run import warnings


def recommendation_table(summary: Summary) -> RenderableType:
    """What to choose at which arrival rate, and what each contender sustains for each SLO."""
    slo = summary.manifest.experiment.slo
    cautions = [Text(text, style="bold yellow") for text in warnings(summary)]
    tables = [_capacities(p, summary) for p in capacities_by_slo(summary.capacities)]
    choices = _choices(summary, f"Recommendation for {decision.objective(slo)}")
    return Group(*cautions, choices, *tables, *_decided(summary))


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


@dataclass(frozen=True)
class Cells:
    """A table in words; a cell may have two lines."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def interim_cells(so_far: Interim) -> Cells:
    """What a run in progress has shown: contenders at a common rate, and their capacity so far."""
    reference = so_far.experiment.reference
    rate_rps = common_rate(so_far.points, so_far.experiment)
    at = f", at {rate(rate_rps)}" if rate_rps else ""
    at_rate = {point.contender: point for point in so_far.points if point.rate_rps == rate_rps}
    compared = {each.contender: each for each in so_far.comparison if each.rate_rps == rate_rps}
    rows = []
    for capacity in so_far.capacities:
        name = capacity.contender
        found = at_rate[name].metrics if name in at_rate else None
        cells = [
            _with_ratio(figure(found, metric) if found else None, compared.get(name), metric)
            for metric in (Metric.P50, Metric.P99, Metric.CPU)
        ]
        rows.append((name, *cells, _so_far(capacity)))
    return Cells(
        f"So far{at}; ratios to {reference} with their 95 % intervals",
        ("contender", "P50, ms", "P99, ms", "CPU s per 1,000", "capacity, rps"),
        rows,
    )


def interim_table(so_far: Interim) -> RenderableType:
    cells = interim_cells(so_far)
    first, *columns = cells.columns
    table = Table(Column(first, no_wrap=True), *columns, title=cells.title, title_justify="left")
    for row in cells.rows:
        table.add_row(*row)
    return table


def _decided(summary: Summary) -> list[RenderableType]:
    """The decision that was asked for, and what each contender would need."""
    found = summary.recommendation.decision
    if found is None or not found.asked:
        return []
    costs = [f"{summary.price.currency} an hour"] if summary.price else []
    table = Table("contender", "replicas", *costs, "complexity")
    for needs in found.needs:
        cost = [number(needs.cost_per_hour)] if summary.price else []
        health = ", blocks its health" if needs.blocks_health else ""
        complexity = f"{plain(needs.complexity)}{health}"
        table.add_row(needs.contender, record.replica_range(needs), *cost, complexity)
    return [Text(answer.decided(found), style="bold"), Text(record.why(summary, found)), table]


def _with_ratio(value: float | None, compared: Comparison | None, metric: Metric) -> str:
    found = compared.of(metric) if compared else None
    if found is None or found.ratio is None:
        return number(value)
    return f"{number(value)}, {times(found.ratio)}\n{interval(found.low, found.high)}"


def _so_far(capacity: Capacity) -> str:
    certified = capacity.certified_rps
    bracket = interval(capacity.met_rps, capacity.not_met_rps, plain)
    return f"{bracket}\ncertified {plain(certified)}" if certified else bracket


def _choices(summary: Summary, title: str) -> Table:
    table = Table("arrival rate", "choose", "because", title=title, title_justify="left")
    for choice in summary.recommendation.choices:
        style = "green" if choice.contender else "yellow"
        because = decision.because(choice, summary.recommendation.out)
        table.add_row(decision.rates(choice), Text(decision.chosen(choice), style=style), because)
    return table


def _capacities(panel: SloCapacities, summary: Summary) -> Table:
    reference = summary.manifest.experiment.reference
    columns = ("contender", "certified at", "capacity, rps", f"over {reference}")
    table = Table(
        *columns, title=f"Capacity for {decision.objective(panel.slo)}", title_justify="left"
    )
    for capacity in panel.capacities:
        ratio = verdict(over_reference(summary, capacity))
        certified_rps = capacity.certified_rps
        table.add_row(
            capacity.contender,
            Text("not certified", style="yellow") if certified_rps is None else rate(certified_rps),
            decision.capacity_estimate(capacity),
            "reference" if capacity.contender == reference else ratio,
        )
    return table
