"""The study's command line: wires servers, loadtests and analysis together, and holds no logic."""

import errno
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

from loadtests import perf_analyzer_tool
from loadtests.artefacts import ArtefactError, prepare
from loadtests.calibrate import calibrate, save_calibration
from loadtests.calibration import budgets
from loadtests.calibration_table import budgets_table, rows_tables
from loadtests.cores import available_cores, split_cores
from loadtests.crosscheck import (
    DEFAULT_CONTENDERS,
    CrosscheckSpec,
    Place,
    crosscheck,
    find_tools,
    write_crosscheck,
)
from loadtests.drive import DriveError
from loadtests.experiment_changes import capacity_only, with_overrides
from loadtests.external import describe_load, external_among
from loadtests.launch import LaunchError, check_answering
from loadtests.manifest import changed_since, describe_run
from loadtests.nvml import Gpu
from loadtests.outside_tools import ToolError
from loadtests.progress import RunProgress
from loadtests.records import RecordError, read_json, trial_folders, write_json
from loadtests.run import execute, forget_failed
from loadtests.serve import ServeError, serve_until_stopped
from loadtests.spec import (
    Experiment,
    SpecError,
    read_experiment,
    resolve_contenders,
    stored_experiment,
)
from loadtests.trial import RunContext
from servers.discovery import Contender, ContenderError, discover

ROOT = Path(__file__).parent
EXPERIMENTS = ROOT / "loadtests" / "experiments"
RESULTS = ROOT / "results"
CACHE = ROOT / ".cache" / "artefacts"
TOOLS = ROOT / ".cache" / "perf_analyzer"

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
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
EXPECTED = (
    SpecError,
    ContenderError,
    ArtefactError,
    RecordError,
    ServeError,
    LaunchError,
    DriveError,
    ToolError,
)


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
        Path | None,
        typer.Option(help="Continue this run: finished trials are kept, failed ones made again."),
    ] = None,
    model: ModelOption = None,
    texts: TextsOption = None,
    results: ResultsOption = RESULTS,
    report: Annotated[
        bool, typer.Option(help="Write the report at the end; `study report RUN` does so later.")
    ] = True,
) -> None:
    """Run an experiment against real servers and write its report."""
    if (experiment is None) == (resume is None):
        raise SpecError(
            "expected either an experiment file or --resume with the folder of a run; "
            "`study list` names both."
        )
    if resume:
        stored = read_json(resume / "manifest.json")["experiment"]
        folder = _execute(stored_experiment(stored), results, resume)
    elif experiment:
        folder = _execute(with_overrides(read_experiment(experiment), model, texts), results)
    if report:
        _report(folder)
    else:
        _say(str(folder))


@app.command()
@_exits_with_a_sentence
def capacity(
    experiment: Annotated[
        Path, typer.Argument(help="An experiment file; its common load levels are left out.")
    ],
    budget_s: Annotated[
        float | None,
        typer.Option(min=1, help="Seconds for search and certification; else the experiment's."),
    ] = None,
    slo: Annotated[
        list[str] | None,
        typer.Option(help="E.g. 'p99<=50ms'; several may be given. Else the experiment's."),
    ] = None,
    model: ModelOption = None,
    texts: TextsOption = None,
    results: ResultsOption = RESULTS,
) -> None:
    """Find each contender's highest arrival rate that meets the SLO, and certify it by repeats."""
    chosen = capacity_only(read_experiment(experiment), slo or [], budget_s)
    _report(_execute(with_overrides(chosen, model, texts), results))


@app.command()
@_exits_with_a_sentence
def smoke(
    model: ModelOption = None, texts: TextsOption = None, results: ResultsOption = RESULTS
) -> None:
    """Run every contender once, in about two minutes, to see that all parts work."""
    chosen = read_experiment(EXPERIMENTS / "smoke.toml")
    _report(_execute(with_overrides(chosen, model, texts), results))


@app.command()
@_exits_with_a_sentence
def serve(
    contender: Annotated[str, typer.Argument(help="A contender, as `study list` names them.")],
    port: Annotated[int | None, typer.Option(help="Its main port.")] = None,
    model: ModelOption = None,
) -> None:
    """Start one contender and keep it running, with its URL and a curl line to try."""
    chosen = _contender(contender)
    artefacts = prepare(model or "small", None, Experiment.model_fields["seed"].default, CACHE)
    serve_until_stopped(chosen, artefacts, port, console)


@app.command("calibrate")
@_exits_with_a_sentence
def calibrate_clients(results: ResultsOption = RESULTS) -> None:
    """Measure the load generator itself against servers that answer at once, in about a minute."""
    seed = int(Experiment.model_fields["seed"].default)
    artefacts = prepare("small", None, seed, CACHE)
    cores = split_cores(available_cores(), 1)
    try:
        with console.status("starting") as status:
            rows = calibrate(
                artefacts.traffic_path, len(artefacts.texts), cores, seed, status.update
            )
    except KeyboardInterrupt:
        print("\nStopped; nothing was written.", file=sys.stderr)
        raise typer.Exit(130) from None
    path = save_calibration(results, rows, cores, _command(), datetime.now(UTC))
    console.print(*rows_tables(rows), budgets_table(budgets(rows)))
    _say(str(path))


@app.command("crosscheck")
@_exits_with_a_sentence
def cross_check(
    contenders: Annotated[
        list[str] | None,
        typer.Argument(help="Contenders.", show_default=" ".join(DEFAULT_CONTENDERS)),
    ] = None,
    rate_rps: Annotated[float, typer.Option(min=1, help="Arrivals per second at Triton.")] = 200,
    concurrency: Annotated[int, typer.Option(min=1, help="Callers of HTTP services.")] = 4,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured.")] = 2,
    fetch_perf_analyzer: Annotated[
        bool,
        typer.Option(
            "--fetch-perf-analyzer",
            help="First take perf_analyzer from the tritonclient 2.51.0 wheel.",
        ),
    ] = False,
    model: ModelOption = None,
    results: ResultsOption = RESULTS,
) -> None:
    """Measure running contenders with perf_analyzer and wrk too, in about two minutes."""
    if fetch_perf_analyzer:
        console.print("Fetching perf_analyzer")
        perf_analyzer_tool.fetch(TOOLS)
    seed = int(Experiment.model_fields["seed"].default)
    spec = CrosscheckSpec(rate_rps=rate_rps, concurrency=concurrency, rounds=rounds, seed=seed)
    chosen = [_contender(name) for name in contenders or DEFAULT_CONTENDERS]
    artefacts = prepare(model or "small", None, seed, CACHE)
    place = Place(artefacts, split_cores(available_cores(), 1), _say)
    tools = find_tools(TOOLS)
    try:
        found = crosscheck(chosen, tools, spec, place)
    except KeyboardInterrupt:
        print("\nStopped; nothing was written.", file=sys.stderr)
        raise typer.Exit(130) from None
    page = write_crosscheck(results, found, tools, spec, place, _command(), datetime.now(UTC))
    _say(page.read_text(encoding="utf-8"))
    _say(str(page))


@app.command("report")
@_exits_with_a_sentence
def report_again(
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
        try:
            finished = read_json(manifest)["finished_at"] or "no: --resume continues it"
        except RecordError:
            finished = "made by another version of the study"
        runs.add_row(str(manifest.parent), finished, str(len(trial_folders(manifest.parent))))
    for table in (contenders, experiments, runs):
        console.print(table)


def _execute(experiment: Experiment, results: Path, resumed: Path | None = None) -> Path:
    contenders = resolve_contenders(experiment)
    external = external_among(contenders.values())
    for service in external:
        _say(describe_load(service, experiment.load_in_words))
    check_answering(external)
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
        forget_failed(resumed)
    else:
        folder.mkdir(parents=True)
        write_json(folder / "manifest.json", manifest)
    context = RunContext(folder, experiment, artefacts, cores, Gpu.find())
    try:
        with RunProgress(console) as progress:
            execute(contenders, context, progress)
    except KeyboardInterrupt:
        print(f"\nStopped. Finished trials are kept: study run --resume {folder}", file=sys.stderr)
        raise typer.Exit(130) from None
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        raise RecordError(
            f"cannot write to {folder} ({error.strerror}); finished trials are kept: make room, "
            f"then continue with study run --resume {folder}"
        ) from error
    return folder


def _report(folder: Path) -> None:
    # Their imports take seconds, and only this needs them.
    from analysis.derive import derive
    from analysis.notebook import execute_notebook
    from analysis.terminal import recommendation_table

    outputs = derive(folder)
    notebook = folder / "study.ipynb"
    execute_notebook(folder, notebook)
    console.print(recommendation_table(outputs.summary))
    for path in (outputs.report_path, outputs.decision_path, outputs.summary_path, notebook):
        console.print(str(path), soft_wrap=True, highlight=False)


def _contender(name: str) -> Contender:
    known = discover()
    if name not in known:
        raise ContenderError(
            f"expected a contender, found {name!r}: choose one of {', '.join(known)}."
        )
    return known[name]


def _say(text: str) -> None:
    console.print(text, soft_wrap=True, highlight=False, markup=False)


def _command() -> str:
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    signal.signal(signal.SIGTERM, _interrupt)
    app()


if __name__ == "__main__":
    main()
