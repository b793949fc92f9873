"""The recommendation as a short table for the terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from analysis.summary import Summary


def recommendation_table(summary: Summary) -> RenderableType:
    """What to choose at which arrival rate, and what each contender sustains."""
    slo = summary.manifest.experiment.slo
    warnings = [Text(text, style="bold yellow") for text in summary.warnings]
    return Group(*warnings, _choices(summary, f"Recommendation for {slo}"), _capacities(summary))


def _choices(summary: Summary, title: str) -> Table:
    table = Table("arrival rate", "choose", "because", title=title, title_justify="left")
    for choice in summary.recommendation.choices:
        style = "green" if choice.contender else "yellow"
        name = Text(choice.contender or str(choice.answer), style=style)
        table.add_row(choice.rates, name, choice.because)
    return table


def _capacities(summary: Summary) -> Table:
    table = Table("contender", "meets the SLO at", title="Capacity", title_justify="left")
    for capacity in summary.recommendation.capacities:
        table.add_row(capacity.contender, str(capacity))
    return table
