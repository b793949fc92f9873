"""The study's command line: wires servers, loadtests and analysis together, and holds no logic."""

import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Annotated, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from analysis.derive import derive
from analysis.terminal import recommendation_table
from loadtests.artefacts import ArtefactError, prepare
from loadtests.cores import available_cores, split_cores
from loadtests.launch import LaunchError
from loadtests.manifest import changed_since, describe_run
from loadtests.plan import plan
from loadtests.progress import RunProgress
from loadtests.records import RecordError, read_json, trial_folders, write_json
from loadtests.run import execute
from loadtests.serve import ServeError, serve_until_stopped
from loadtests.spec import Experiment, SpecError, read_experiment, resolve_contenders
from loadtests.telemetry import Gpu
from loadtests.trial import RunContext
from servers.discovery import ContenderError, discover

ROOT = Path(__file__).parent
EXPERIMENTS = ROOT / "loadtests" / "experiments"
RESULTS = ROOT / "results"
CACHE = ROOT / ".cache" / "artefacts"

app = typer.Typer(
    help="Serve one text classifier from FastAPI, Triton or a gateway; which, when, at what cost?",
    no_args_is_help=True,
    add_completion=False,
)
console = Console()
P = ParamSpec("P")
R = TypeVar("R")

ModelOption = Annotated[
    str | None, typer.Option(help="small, base, a local model folder, or a model hub id.")
]
TextsOption = Annotated[
    Path | None, typer.Option(help="Your own traffic: a text file, one message a line, or JSONL.")
]
ResultsOption = Annotated[
    Path, typer.Option(help="Where runs are kept.", show_default="results/ of the project")
]
EXPECTED = (SpecError, ContenderError, ArtefactError, RecordError, ServeError, LaunchError)


def _exits_with_a_sentence(command: Callable[P, R]) -> Callable[P, R]:
    """What a person can correct is one sentence and exit code 2, never a traceback."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except EXPECTED as error:
            for line in getattr(error, "log_tail", ()):
                print(f"  | {line}", file=sys.stderr)
            print(f"study: {error}", file=sys.stderr)
            raise typer.Exit(2) from error

    return wrapped


@app.command()
@_exits_with_a_sentence
def run(
    experiment: Annotated[
        Path | None, typer.Argument(help="An experiment file, e.g. loadtests/experiments/*.toml.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Continue this run: finished trials are kept.")
    ] = None,
    model: ModelOption = None,
    texts: TextsOption = None,
    results: ResultsOption = RESULTS,
) -> None:
    """Run an experiment against real servers and write its report."""
    if (experiment is None) == (resume is None):
        raise SpecError(
            "expected either an experiment file or --resume with the folder of a run; "
            "`study list` names both."
        )
    if resume:
        stored = read_json(resume / "manifest.json")["experiment"]
        _execute(Experiment.model_validate(stored), results, resume)
    elif experiment:
        _execute(_with_overrides(read_experiment(experiment), model, texts), results, None)


@app.command()
@_exits_with_a_sentence
def smoke(
    model: ModelOption = None, texts: TextsOption = None, results: ResultsOption = RESULTS
) -> None:
    """Run every contender once, in about two minutes, to see that all parts work."""
    chosen = read_experiment(EXPERIMENTS / "smoke.toml")
    _execute(_with_overrides(chosen, model, texts), results, None)


@app.command()
@_exits_with_a_sentence
def serve(
    contender: Annotated[str, typer.Argument(help="A contender, as `study list` names them.")],
    port: Annotated[int | None, typer.Option(help="Its main port.")] = None,
    model: ModelOption = None,
) -> None:
    """Start one contender and keep it running, with its URL and a curl line to try."""
    known = discover()
    if contender not in known:
        raise ContenderError(
            f"expected a contender, found {contender!r}: choose one of {', '.join(known)}."
        )
    artefacts = prepare(model or "small", None, Experiment.model_fields["seed"].default, CACHE)
    serve_until_stopped(known[contender], artefacts, port, console)


@app.command()
@_exits_with_a_sentence
def report(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
) -> None:
    """Write a run's report.html, decision.md and summary.json again from its records."""
    _report(run_dir)


@app.command("list")
@_exits_with_a_sentence
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
        finished = read_json(manifest)["finished_at"] or "no: --resume continues it"
        runs.add_row(str(manifest.parent), finished, str(len(trial_folders(manifest.parent))))
    for table in (contenders, experiments, runs):
        console.print(table)


def _with_overrides(experiment: Experiment, model: str | None, texts: Path | None) -> Experiment:
    given = {"model": model, "texts": str(texts) if texts else None}
    changes = {name: value for name, value in given.items() if value is not None}
    return experiment.model_copy(update=changes)


def _execute(experiment: Experiment, results: Path, resumed: Path | None) -> None:
    contenders = resolve_contenders(experiment)
    console.print("Preparing the model and the traffic")
    artefacts = prepare(experiment.model, experiment.texts, experiment.seed, CACHE)
    cores = split_cores(available_cores(), experiment.load.workers)
    manifest = describe_run(experiment, artefacts, cores, _command(), datetime.now(UTC))
    folder = resumed or results / manifest["run_id"]
    if resumed:
        changed = changed_since(read_json(resumed / "manifest.json"), manifest)
        if changed:
            raise RecordError(
                f"{resumed} cannot be continued, {changed}: "
                "its trials would not be comparable; start a new run."
            )
    else:
        folder.mkdir(parents=True)
        write_json(folder / "manifest.json", manifest)
    blocks = plan(experiment, contenders)
    context = RunContext(folder, experiment, artefacts, cores, Gpu.find())
    try:
        with RunProgress(blocks, len(trial_folders(folder)), console) as progress:
            execute(blocks, context, progress)
    except KeyboardInterrupt:
        print(f"\nStopped. Finished trials are kept: study run --resume {folder}", file=sys.stderr)
        raise typer.Exit(130) from None
    _report(folder)


def _report(folder: Path) -> None:
    from analysis.notebook import (
        execute_notebook,  # its imports take seconds, and only this needs it
    )

    outputs = derive(folder)
    notebook = folder / "study.ipynb"
    execute_notebook(folder, notebook)
    console.print(recommendation_table(outputs.summary))
    for path in (outputs.report_path, outputs.decision_path, outputs.summary_path, notebook):
        console.print(str(path), soft_wrap=True, highlight=False)


def _command() -> str:
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    signal.signal(signal.SIGTERM, _interrupt)
    app()


if __name__ == "__main__":
    main()
