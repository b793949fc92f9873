"""Writes what a run's records say, and shows the recommendation."""

from pathlib import Path

from analysis.decide.asked import NOTHING_ASKED, Asked
from analysis.derive import derive
from analysis.report.notebook import execute_notebook
from analysis.report.terminal import recommendation_table, smoke_table
from commands.common import console, say


def write_report(folder: Path, asked: Asked = NOTHING_ASKED, smoke: bool = False) -> None:
    """smoke: whether only the parts were to be tried, which recommends nothing."""
    outputs = derive(folder, asked)
    notebook = folder / "study.ipynb"
    execute_notebook(folder, notebook)
    console.print((smoke_table if smoke else recommendation_table)(outputs.summary))
    for path in (outputs.report_path, outputs.decision_path, outputs.summary_path, notebook):
        say(str(path))
