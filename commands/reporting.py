"""Writes what a run's records say, and shows the recommendation."""

from pathlib import Path

from rich.console import RenderableType

from analysis.decide.asked import NOTHING_ASKED, Asked
from analysis.derive import derive
from analysis.report.interim import read_interim
from analysis.report.notebook import execute_notebook
from analysis.report.terminal import interim_table, recommendation_table, smoke_table
from commands.common import console, say
from loadtests.records.stored import RecordError


def so_far(folder: Path) -> RenderableType:
    """The first table of a run in progress; nothing where it has no complete measurement."""
    try:
        return interim_table(read_interim(folder))
    except RecordError:
        return ""


def write_report(folder: Path, asked: Asked = NOTHING_ASKED, smoke: bool = False) -> None:
    """smoke: whether only the parts were to be tried, which recommends nothing."""
    outputs = derive(folder, asked)
    notebook = folder / "study.ipynb"
    execute_notebook(folder, notebook)
    console.print((smoke_table if smoke else recommendation_table)(outputs.summary))
    for path in (outputs.report_path, outputs.decision_path, outputs.summary_path, notebook):
        say(str(path))
