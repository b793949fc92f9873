"""What the batcher's settings, instances, lengths and batches of the client do, with simulated
passes (loadtests/selfcheck/question_models.py)."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from loadtests.records.questions import Case
from loadtests.selfcheck import perf_analyzer_tool
from loadtests.selfcheck.outside_tools import Tool, run_tool
from loadtests.selfcheck.question_models import DELAYS_MS, INSTANCES, MAX_BATCH
from loadtests.selfcheck.triton_bench import Bench
from loadtests.selfcheck.triton_load import case, closed_loop
from servers.contract import LENGTH_BUCKETS, bucket_length

LASTING_S, SETTLING_S = 2.0, 0.3
MANY = {"16 callers": 16, "48 callers": 48}
LENGTHS = tuple(range(4, 132, 4))
TOOLS = Path(".cache") / "perf_analyzer"


def _loaded(
    bench: Bench,
    model: str,
    n_callers: int,
    name: str,
    shape: Callable[[int], tuple[int, ...]] = lambda _: (1, 4),
) -> Case:
    """Callers in a closed loop, with the rows of an execution on average."""

    def ask(number: int) -> str:
        return bench.ask(model, shape(number))

    closed_loop(ask, n_callers, SETTLING_S)
    before = bench.counts(model)
    asked = closed_loop(ask, n_callers, LASTING_S)
    rows, executions = (b - a for a, b in zip(before, bench.counts(model), strict=True))
    found = case(name, asked, LASTING_S, rows=shape(0)[0])
    mean = {"rows_per_execution": rows / executions if executions else None}
    return found.model_copy(update={"values": found.values | mean})


def queue_delay(bench: Bench) -> Iterator[Case]:
    for delay_ms in DELAYS_MS:
        bench.load(f"delay-{delay_ms}")
        for callers, n in {"1 caller": 1, "48 callers": 48}.items():
            yield _loaded(bench, f"delay-{delay_ms}", n, f"{delay_ms} ms, {callers}")


def preferred_sizes(bench: Bench) -> Iterator[Case]:
    named = {
        "none, no delay": "delay-0",
        "none, 5 ms": "delay-5",
        "4, 8, 16, 32, no delay": "preferred-0",
        "4, 8, 16, 32, 5 ms": "preferred-5",
    }
    for name, model in named.items():
        bench.load(model)
        for callers, n in MANY.items():
            yield _loaded(bench, model, n, f"{name}, {callers}")


def instances(bench: Bench) -> Iterator[Case]:
    """Without a batcher: passes that leave the CPU free, and work that keeps a core busy."""
    for kind in ("passes", "works"):
        for n in INSTANCES:
            bench.load(f"{kind}-{n}")
            yield _loaded(bench, f"{kind}-{n}", 16, f"{kind}, {n} instance{'s' * (n > 1)}")
            bench.client.unload_model(f"{kind}-{n}")


def lengths(bench: Bench) -> Iterator[Case]:
    """32 callers, each with its own length."""
    for model in ("mixed", "ragged"):
        bench.load(model)

    n = len(LENGTHS)
    yield _loaded(bench, "mixed", n, "one length", lambda _: (1, 128))
    yield _loaded(bench, "mixed", n, f"{n} lengths", lambda k: (1, LENGTHS[k]))
    yield _loaded(
        bench,
        "mixed",
        n,
        f"{len(LENGTH_BUCKETS)} buckets",
        lambda k: (1, bucket_length(LENGTHS[k])),
    )
    yield _loaded(bench, "ragged", n, f"{n} lengths, ragged", lambda k: (1, LENGTHS[k]))


def client_batches(bench: Bench) -> Iterator[Case]:
    """Texts as batches that the client made, and one by one, with and without a batcher."""
    bench.load("alone")
    bench.load("delay-0")
    for batcher, model in (("no batcher", "alone"), ("batcher", "delay-0")):
        full = f"1 caller of {MAX_BATCH} rows, {batcher}"
        yield _loaded(bench, model, 1, full, lambda _: (MAX_BATCH, 4))
        several = f"4 callers of {MAX_BATCH} rows, {batcher}"
        yield _loaded(bench, model, 4, several, lambda _: (MAX_BATCH, 4))
        yield _loaded(bench, model, MAX_BATCH, f"{MAX_BATCH} callers of 1 row, {batcher}")


def perf_analyzer(bench: Bench) -> Iterator[Case]:
    """-b 32 as the guide has it, and -b 1 with many callers; OSError where it is not installed."""
    tool = perf_analyzer_tool.find(TOOLS)
    if tool is None:
        raise FileNotFoundError(perf_analyzer_tool.MISSING)
    bench.load("alone")
    bench.load("delay-0")
    for batcher, model in (("no batcher", "alone"), ("batcher", "delay-0")):
        for rows, n_callers in ((MAX_BATCH, 4), (1, MAX_BATCH)):
            options = ("-b", str(rows), "--concurrency-range", str(n_callers))
            rows_per_s = _by_tool(bench, tool, model, options)
            name = f"-b {rows}, {n_callers} at once, {batcher}"
            yield Case(case=name, values={"rows_per_s": rows_per_s})


def _by_tool(bench: Bench, tool: Tool, model: str, options: Sequence[str]) -> float:
    with tempfile.TemporaryDirectory() as work:
        figures = Path(work) / "figures.csv"
        command = [
            *("-m", model, "-i", "grpc", "-u", bench.server.grpc_url, "--async", *options),
            *("--measurement-interval", "1000", "--max-trials", "3"),
            *("--stability-percentage", "1000", "-f", str(figures)),
        ]
        run_tool(tool, command, (), Path(work) / "log", within_s=60)
        row = perf_analyzer_tool.last_row(figures.read_text(encoding="utf-8"))
    return float(row[perf_analyzer_tool.RATE])
