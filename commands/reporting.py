"""Writes what a run's records say, and shows the recommendation."""

from pathlib import Path

from analysis.capacity.cost import price_given
from analysis.derive import derive
from analysis.report.notebook import execute_notebook
from analysis.report.terminal import recommendation_table, smoke_table
from commands.common import console, say


def write_report(
    folder: Path, price_per_hour: float | None = None, currency: str = "", smoke: bool = False
) -> None:
    """smoke: whether only the parts were to be tried, which recommends nothing."""
    outputs = derive(folder, price_given(price_per_hour, currency))
    notebook = folder / "study.ipynb"
    execute_notebook(folder, notebook)
    console.print((smoke_table if smoke else recommendation_table)(outputs.summary))
    for path in (outputs.report_path, outputs.decision_path, outputs.summary_path, notebook):
        say(str(path))
