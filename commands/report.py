"""`study report` and `study list`: what is there already."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from commands.common import EXPERIMENTS, RESULTS, ROOT, ResultsOption, console
from loadtests.experiment_file import read_experiment
from loadtests.records import RecordError, read_json, trial_folders
from servers.discovery import discover


def report(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    price_per_hour: Annotated[
        float | None,
        typer.Option(
            min=0.0001,
            max=1_000_000,
            help="An hour of the server's machine; else the experiment's.",
        ),
    ] = None,
    currency: Annotated[str, typer.Option(help="Of that price.")] = "USD",
) -> None:
    """Write a run's report.html, decision.md and summary.json again from its records."""
    write_report(run_dir, price_per_hour, currency)


def write_report(folder: Path, price_per_hour: float | None = None, currency: str = "") -> None:
    # Their imports take seconds, and only this needs them.
    from analysis.cost import price_given
    from analysis.derive import derive
    from analysis.notebook import execute_notebook
    from analysis.terminal import recommendation_table

    outputs = derive(folder, price_given(price_per_hour, currency))
    notebook = folder / "study.ipynb"
    execute_notebook(folder, notebook)
    console.print(recommendation_table(outputs.summary))
    for path in (outputs.report_path, outputs.decision_path, outputs.summary_path, notebook):
        console.print(str(path), soft_wrap=True, highlight=False)


def list_all(results: ResultsOption = RESULTS) -> None:
    """List contenders, experiments and runs."""
    contenders = Table("contender", "engine", "setting", "what it is", title="Contenders")
    for name, contender in discover().items():
        contenders.add_row(name, contender.engine, contender.setting, contender.summary)
    experiments = Table("experiment", "what it asks", title="Experiments")
    for path in sorted(EXPERIMENTS.glob("*.toml")):
        experiments.add_row(str(path.relative_to(ROOT)), read_experiment(path).description)
    runs = Table("run", "finished", "trials", title="Runs")
    for manifest in sorted(results.glob("*/manifest.json")):
        try:
            finished = read_json(manifest)["finished_at"] or "no: --resume continues it"
        except RecordError:
            finished = "made by another version of the study"
        runs.add_row(str(manifest.parent), finished, str(len(trial_folders(manifest.parent))))
    for table in (contenders, experiments, runs):
        console.print(table)
