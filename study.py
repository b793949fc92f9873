"""The study's command line: wires servers, loadtests and analysis together, and holds no logic."""

import errno
import math
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Annotated, ParamSpec, TypeVar

import psutil
import typer
from rich.console import Console
from rich.table import Table

from bundle.artefacts import read_sizes
from bundle.errors import BundleError
from bundle.gather import Order, gathered
from bundle.pack import MIB, write_bundle
from bundle.tables import contents_tables, files_table, remarks
from bundle.target import read_target
from loadtests import perf_analyzer_tool
from loadtests.artefacts import ArtefactError, prepare
from loadtests.budget import BudgetError, TimeBudget, plan_in_words, report_s, seconds
from loadtests.calibrate import calibrate, save_calibration
from loadtests.calibration import budgets
from loadtests.calibration_table import budgets_table, rows_tables
from loadtests.coexist import coexist
from loadtests.coexist_drive import Place as CoexistPlace
from loadtests.coexist_plan import MODELS, CoexistSpec
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
from loadtests.forecast import forecast_of
from loadtests.launch import LaunchError, check_answering
from loadtests.manifest import changed_since, describe_run
from loadtests.nvml import Gpu
from loadtests.outside_tools import ToolError
from loadtests.probe import ProbeError
from loadtests.progress import RunProgress
from loadtests.records import RecordError, read_json, trial_folders, write_json
from loadtests.run import execute
from loadtests.run_folder import forget_failed
from loadtests.serve import ServeError, serve_until_stopped
from loadtests.spec import (
    Experiment,
    SpecError,
    read_experiment,
    resolve_contenders,
    stored_experiment,
)
from loadtests.trial import RunContext
from servers.classifier.engines import Device, EngineName, Precision
from servers.discovery import Contender, ContenderError, discover
from servers.triton_service.neighbours.sizes import SizeName

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
    BudgetError,
    ContenderError,
    ArtefactError,
    RecordError,
    ServeError,
    LaunchError,
    DriveError,
    ToolError,
    ProbeError,
    BundleError,
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
    time_budget: Annotated[
        str | None,
        typer.Option(help="E.g. 9m: end within it, the report included; measure what tells most."),
    ] = None,
) -> None:
    """Run an experiment against real servers and write its report."""
    length_s = None if time_budget is None else seconds(time_budget)
    if (experiment is None) == (resume is None):
        raise SpecError(
            "expected either an experiment file or --resume with the folder of a run; "
            "`study list` names both."
        )
    if experiment:
        chosen = with_overrides(read_experiment(experiment), model, texts)
    elif resume:
        chosen = stored_experiment(read_json(resume / "manifest.json")["experiment"])
    budget = None if length_s is None else _time_budget(length_s, report)
    folder = _execute(chosen, results, resume, budget)
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


@app.command("coexist")
@_exits_with_a_sentence
def coexist_models(
    device: Annotated[Device, typer.Option(help="Where all three models run.")] = "cpu",
    precision: Annotated[Precision, typer.Option(help="Of all three models.")] = "fp32",
    engine: Annotated[
        EngineName | None,
        typer.Option(help="Of the classifier; else torch on a GPU, onnxruntime on a CPU."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Of each measurement.")] = 5,
    callers: Annotated[int, typer.Option(min=1, help="Of each model.")] = 16,
    repeats: Annotated[int, typer.Option(min=1, help="Blocks; intervals need two.")] = 3,
    pairs: Annotated[bool, typer.Option("--pairs", help="Each two of the models, too.")] = False,
    neighbours: Annotated[
        SizeName | None, typer.Option(help="Their size; else full on a GPU, small on a CPU.")
    ] = None,
    model: ModelOption = None,
    results: ResultsOption = RESULTS,
) -> None:
    """Measure what the classifier, a ResNet-50 and a recommender lose beside each other."""
    from analysis.coexist_page import write_page  # its imports take seconds

    seed = int(Experiment.model_fields["seed"].default)
    spec = CoexistSpec(
        device, precision, engine, neighbours, seconds, callers, repeats, pairs, seed
    )
    artefacts = prepare(model or "small", None, seed, CACHE)
    cores = split_cores(available_cores(), len(MODELS))
    try:
        with console.status("starting") as status:
            place = CoexistPlace(artefacts, cores, Gpu.find(), status.update)
            now = datetime.now(UTC)
            folder = coexist(_contender("triton"), spec, place, results, _command(), now)
    except KeyboardInterrupt:
        print("\nStopped; nothing was written.", file=sys.stderr)
        raise typer.Exit(130) from None
    page = write_page(folder)
    _say(page.read_text(encoding="utf-8"))
    _say(str(page))


@app.command("report")
@_exits_with_a_sentence
def report_again(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    price_per_hour: Annotated[
        float | None,
        typer.Option(min=0.0001, help="An hour of the server's machine; else the experiment's."),
    ] = None,
    currency: Annotated[str, typer.Option(help="Of that price.")] = "USD",
) -> None:
    """Write a run's report.html, decision.md and summary.json again from its records."""
    _report(run_dir, price_per_hour, currency)


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


@app.command("bundle")
@_exits_with_a_sentence
def bundle_up(
    out: Annotated[
        Path, typer.Option(help="Where the bundle's folder is written.", show_default="dist/")
    ] = ROOT / "dist",
    have: Annotated[
        Path | None,
        typer.Option(help="The target's `pip freeze`: what it has is used. Else it has nothing."),
    ] = None,
    python: Annotated[str, typer.Option(help="The target's: 3.11, 3.12 or 3.13.")] = "3.12",
    platform: Annotated[
        str, typer.Option(help="manylinux_2_N_x86_64, 2.N being the target's glibc.")
    ] = "manylinux_2_35_x86_64",
    part_mib: Annotated[
        int | None, typer.Option(min=1, help="Cut the archive into parts of at most this.")
    ] = None,
    artefacts: Annotated[
        str, typer.Option(help="Models to take along ready-made: small, base (780 MiB) or both.")
    ] = "small",
    no_artefacts: Annotated[
        bool, typer.Option("--no-artefacts", help="No models: the target makes them.")
    ] = False,
    extras: Annotated[
        str, typer.Option(help="Of pyproject.toml, e.g. gpu: onnxruntime-gpu for onnxruntime.")
    ] = "",
    plan: Annotated[
        bool, typer.Option("--plan", help="Fetch and show what would be packed; write nothing.")
    ] = False,
) -> None:
    """Pack wheels, project and models for a machine without a network."""
    order = Order(
        root=ROOT,
        cache=ROOT / ".cache",
        target=read_target(python, platform),
        have=have,
        extras=[extra for extra in extras.split(",") if extra],
        models=[] if no_artefacts else read_sizes(artefacts),
        seed=int(Experiment.model_fields["seed"].default),
    )
    part_bytes = part_mib * MIB if part_mib else None
    with console.status("collecting"), gathered(order) as contents:
        console.print(*contents_tables(contents, part_bytes))
        for remark in remarks(contents):
            _say(remark)
        folder = None if plan else write_bundle(contents, out, part_bytes)
    if folder:
        console.print(files_table(folder))
        _say(f"{folder}: take it there, then sh {folder.name}/install.sh")


def _execute(
    experiment: Experiment,
    results: Path,
    resumed: Path | None = None,
    budget: TimeBudget | None = None,
) -> Path:
    contenders = resolve_contenders(experiment)
    external = external_among(contenders.values())
    for service in external:
        _say(describe_load(service, experiment.load_in_words))
    check_answering(external)
    console.print("Preparing the model and the traffic")
    until_s = budget.until_s if budget else math.inf
    artefacts = prepare(experiment.model, experiment.texts, experiment.seed, CACHE, until_s)
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
    context = RunContext(folder, experiment, artefacts, cores, Gpu.find())
    if budget:
        forecast = forecast_of(contenders, context, until_s)
        _say(plan_in_words(forecast.rungs, forecast.lengths_s(), budget, time.monotonic()))
    if not resumed:
        folder.mkdir(parents=True)
        write_json(folder / "manifest.json", manifest)
    try:
        with RunProgress(console) as progress:
            execute(contenders, context, progress, until_s)
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


def _report(folder: Path, price_per_hour: float | None = None, currency: str = "") -> None:
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


def _contender(name: str) -> Contender:
    known = discover()
    if name not in known:
        raise ContenderError(
            f"expected a contender, found {name!r}: choose one of {', '.join(known)}."
        )
    return known[name]


def _say(text: str) -> None:
    console.print(text, soft_wrap=True, highlight=False, markup=False)


def _time_budget(length_s: float, report: bool) -> TimeBudget:
    # On the clock of time.monotonic: what was imported before is part of the command.
    began_s = time.monotonic() - (time.time() - psutil.Process().create_time())
    if not report:
        return TimeBudget(length_s, began_s)
    before_s = time.monotonic()
    for part in ("derive", "notebook", "terminal"):
        import_module(f"analysis.{part}")
    return TimeBudget(length_s, began_s, report_s(time.monotonic() - before_s))


def _command() -> str:
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    signal.signal(signal.SIGTERM, _interrupt)
    app()


if __name__ == "__main__":
    main()
