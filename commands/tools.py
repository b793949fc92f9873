"""`study calibrate` and `study crosscheck`: how far the load generator itself can be trusted."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from commands.common import (
    CACHE,
    RESULTS,
    ROOT,
    ModelOption,
    ResultsOption,
    command_line,
    console,
    contender_named,
    machine_lock,
    say,
    status,
    writable,
)
from commands.errors import stopped_without_a_trace

TOOLS = ROOT / ".cache" / "perf_analyzer"
CROSSCHECKED = ("triton", "fastapi-onnx", "litserve")


def calibrate_clients(results: ResultsOption = RESULTS) -> None:
    """Measure the load generator itself against servers that answer at once, in about a minute."""
    from loadtests.host.cores import available_cores, split_cores
    from loadtests.launch.artefacts import prepare
    from loadtests.records.seed import SEED
    from loadtests.selfcheck.calibrate import calibrate, save_calibration
    from loadtests.selfcheck.calibration import budgets
    from loadtests.selfcheck.calibration_table import budgets_table, rows_tables

    writable(results)
    artefacts = prepare("small", None, SEED, CACHE)
    cores = split_cores(available_cores(), 1)
    with stopped_without_a_trace(), machine_lock(), status("starting") as update:
        rows = calibrate(artefacts.traffic_path, len(artefacts.texts), cores, SEED, update)
    console.print(*rows_tables(rows), budgets_table(budgets(rows)))
    say(str(save_calibration(results, rows, cores, command_line(), datetime.now(UTC))))


def crosscheck_clients(
    contenders: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CONTENDER", help="Contenders to measure.", show_default=" ".join(CROSSCHECKED)
        ),
    ] = None,
    rate_rps: Annotated[
        float,
        typer.Option(min=1, max=1_000_000, help="Arrival rate for Triton, in requests per second."),
    ] = 200,
    concurrency: Annotated[
        int, typer.Option(min=1, max=10_000, help="Concurrent callers per HTTP service.")
    ] = 4,
    rounds: Annotated[
        int, typer.Option(min=1, max=10_000, help="Number of measurements of each contender.")
    ] = 2,
    fetch_perf_analyzer: Annotated[
        bool,
        typer.Option(
            "--fetch-perf-analyzer",
            help="First download perf_analyzer from the tritonclient 2.51.0 wheel.",
        ),
    ] = False,
    model: ModelOption = None,
    results: ResultsOption = RESULTS,
) -> None:
    """Compare this client with perf_analyzer and wrk, in two to three minutes."""
    from loadtests.host.cores import available_cores, split_cores
    from loadtests.launch.artefacts import prepare
    from loadtests.records.seed import SEED
    from loadtests.selfcheck import perf_analyzer_tool
    from loadtests.selfcheck.crosscheck import (
        CrosscheckSpec,
        Place,
        crosscheck,
        find_tools,
        write_crosscheck,
    )

    writable(results)
    if fetch_perf_analyzer:
        console.print("Fetching perf_analyzer")
        perf_analyzer_tool.fetch(_tools())
    spec = CrosscheckSpec(rate_rps=rate_rps, concurrency=concurrency, rounds=rounds, seed=SEED)
    chosen = [contender_named(name) for name in contenders or CROSSCHECKED]
    engines = {contender.engine for contender in chosen}
    artefacts = prepare(model or "small", None, SEED, CACHE, engines=engines)
    place = Place(artefacts, split_cores(available_cores(), 1), say)
    tools = find_tools(_tools())
    with stopped_without_a_trace(), machine_lock():
        found = crosscheck(chosen, tools, spec, place)
    page = write_crosscheck(results, found, tools, spec, place, command_line(), datetime.now(UTC))
    say(page.read_text(encoding="utf-8"))
    say(str(page))


def _tools() -> Path:
    from servers.surroundings import writable_cache

    return TOOLS if TOOLS.exists() else writable_cache(TOOLS)
