"""Drives the same running contenders with other load tools and with this project's client."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeVar

from loadtests.generator.schedule import Schedule, closed_schedule, open_schedule
from loadtests.host.cores import disjoint, running_on
from loadtests.launch.artefacts import Artefacts
from loadtests.launch.parity import check_answers, expected_answers, judge
from loadtests.launch.server import LaunchError, RunningServer, launched
from loadtests.measure.locust_process import DriveError, LoadGenerator, load_generator
from loadtests.records.arrivals import Poisson
from loadtests.records.atomic import whole_or_gone
from loadtests.records.trials import Level, write_json
from loadtests.run.manifest import describe_measurement
from loadtests.selfcheck import perf_analyzer_tool, wrk_tool
from loadtests.selfcheck.crosscheck_table import ToolPair, markdown
from loadtests.selfcheck.outside_tools import (
    SUCCESSES_FOR_P99,
    Tool,
    ToolError,
    ToolLoad,
    ToolMeasurement,
)
from loadtests.selfcheck.own_client import WARMUP_S, measure_own
from loadtests.wire.probe import ProbeError, settled_counters
from servers.discovery import Contender, Protocol

LEAST_STEADY_S = 6
PARITY_TOLERANCE = 0.001
SETTLE_WITHIN_S = 30.0


T = TypeVar("T")


@dataclass(frozen=True)
class CrosscheckSpec:
    """Triton gets rate_rps in an open loop, HTTP services concurrency callers in a closed one."""

    rate_rps: float
    concurrency: int
    rounds: int
    seed: int

    @property
    def steady_s(self) -> int:
        """Long enough for a P99 at rate_rps, one tenth more for the chance in Poisson arrivals."""
        return max(LEAST_STEADY_S, math.ceil(1.1 * SUCCESSES_FOR_P99 / self.rate_rps))

    def level(self, protocol: Protocol) -> Level:
        if protocol == "kserve-grpc":
            return Level("open", rate_rps=self.rate_rps)
        return Level("closed", concurrency=self.concurrency)

    def schedule(self, level: Level, round_number: int, n_texts: int) -> Schedule:
        seed = (self.seed, round_number)
        if level.rate_rps is None:
            return closed_schedule(n_texts, seed)
        duration_s = WARMUP_S + self.steady_s
        return open_schedule(Poisson(), level.rate_rps, duration_s, n_texts, seed)


@dataclass(frozen=True)
class Place:
    """Where a cross-check runs: artefacts, core numbers by role, and how to say what happens."""

    artefacts: Artefacts
    cores: Mapping[str, tuple[int, ...]]
    say: Callable[[str], None]


def find_tools(folder: Path) -> dict[Protocol, Tool | None]:
    """The tool for each protocol; folder is where perf_analyzer is put when it is fetched."""
    return {"kserve-grpc": perf_analyzer_tool.find(folder), "http-json": wrk_tool.find()}


MISSING: Mapping[Protocol, str] = {
    "kserve-grpc": perf_analyzer_tool.MISSING,
    "http-json": wrk_tool.MISSING,
}


def crosscheck(
    contenders: Sequence[Contender],
    tools: Mapping[Protocol, Tool | None],
    spec: CrosscheckSpec,
    place: Place,
) -> tuple[list[ToolPair], list[str]]:
    """All pairs measured, and a sentence for each contender that was skipped.

    Raises ToolError with these sentences when there is no pair.
    """
    pairs: list[ToolPair] = []
    skipped = []
    with running_on(place.cores["load"]):
        for contender in contenders:
            tool = tools[contender.protocol]
            try:
                if tool is None:
                    raise ToolError(MISSING[contender.protocol])
                _check_one(contender, tool, spec, place, pairs)
            except (ToolError, LaunchError, ProbeError, DriveError) as error:
                skipped.append(f"{contender.name}: {error}")
                place.say(f"  skipped {skipped[-1]}")
    if not pairs:
        raise ToolError(" ".join(skipped))
    return pairs, skipped


def _check_one(
    contender: Contender, tool: Tool, spec: CrosscheckSpec, place: Place, pairs: list[ToolPair]
) -> None:
    place.say(f"Starting {contender.name}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="study-crosscheck-")))
        server = stack.enter_context(
            launched(
                contender,
                model_dir=place.artefacts.model_dir,
                cores=place.cores["server"],
                log=folder / "server.log",
            )
        )
        _require_parity(server, place.artefacts)
        generator = stack.enter_context(
            load_generator(
                place.artefacts.traffic_path, place.cores["load"], 1, folder / "locust.log"
            )
        )
        for number in range(1, spec.rounds + 1):
            work = folder / str(number)
            work.mkdir()
            measured = _round(server, tool, generator, spec, number, place, work)
            if broken := server.broken():
                raise LaunchError(broken, server.log_tail())
            for pair in measured:
                pairs.append(pair)
                place.say(_sentence(pair, spec.rounds))


def _require_parity(server: RunningServer, artefacts: Artefacts) -> None:
    expected = expected_answers(server.contender, artefacts.texts)
    found = judge(check_answers(server.address, expected), PARITY_TOLERANCE)
    if found.mismatches:
        raise ProbeError(f"{found.mismatches} of {found.checked} answers differ, {found.example}.")


def _round(
    server: RunningServer,
    tool: Tool,
    generator: LoadGenerator,
    spec: CrosscheckSpec,
    number: int,
    place: Place,
    work: Path,
) -> list[ToolPair]:
    level = spec.level(server.contender.protocol)
    schedule = spec.schedule(level, number, len(place.artefacts.texts))
    traffic, cores = place.artefacts.traffic_path, place.cores["load"]
    own_cores = disjoint(place.cores)
    load = ToolLoad(server.address, level, spec.steady_s, schedule, traffic, cores, own_cores, work)
    runs = _tool_runs(tool, load)
    # Taking turns, and who goes first: a machine that gets slower must not look like a client.
    tool_first = bool(number % 2)
    if tool_first:
        measured = {name: _settled(load, run) for name, run in runs.items()}
        own = _settled(load, partial(measure_own, generator, load))
    else:
        own = _settled(load, partial(measure_own, generator, load))
        measured = {name: _settled(load, runs[name]) for name in reversed(runs)}
    as_tool = own.figures() if level.mode == "open" else own.figures(wrk_tool.corrected)
    first: Literal["tool", "own"] = "tool" if tool_first else "own"
    return [
        ToolPair(server.contender.name, level, number, first, name, result, own.figures(), as_tool)
        for name, result in measured.items()
    ]


def _settled(load: ToolLoad, run: Callable[[], T]) -> T:
    # The requests one client left in the server's queue must not be charged to the next.
    settled_counters(load.address, SETTLE_WITHIN_S)
    return run()


def _tool_runs(tool: Tool, load: ToolLoad) -> dict[str, Callable[[], ToolMeasurement]]:
    """The tool's part of a round, by the name of its row."""
    if load.level.mode == "closed":
        return {tool.name: partial(wrk_tool.measure, tool, load)}
    # Its own arrivals check ours; replaying ours leaves nothing but the two clients to differ.
    return {
        tool.name: partial(perf_analyzer_tool.measure, tool, load),
        f"{tool.name}, same arrivals": partial(
            perf_analyzer_tool.measure, tool, load, same_arrivals=True
        ),
    }


def _sentence(pair: ToolPair, rounds: int) -> str:
    def said(measured: ToolMeasurement) -> str:
        p50 = "no success" if measured.p50_ms is None else f"P50 {measured.p50_ms:.1f} ms"
        return f"{measured.throughput_rps:.0f} rps, {p50}"

    return (
        f"  {pair.contender} {pair.level.label}, round {pair.round} of {rounds}: "
        f"{pair.tool_name} {said(pair.tool)}; own {said(pair.own_as_tool)}"
    )


def write_crosscheck(
    results: Path,
    found: tuple[list[ToolPair], list[str]],
    tools: Mapping[Protocol, Tool | None],
    spec: CrosscheckSpec,
    place: Place,
    command: str,
    now: datetime,
) -> Path:
    """crosscheck.json and crosscheck.md in a new folder of results; returns the page's path."""
    pairs, skipped = found
    record = {
        **describe_measurement(command, place.cores, now),
        "tools": {tool.name: tool.version for tool in tools.values() if tool},
        "model": dict(place.artefacts.model),
        "traffic": dict(place.artefacts.traffic),
        "settings": asdict(spec) | {"warmup_s": WARMUP_S, "steady_s": spec.steady_s},
        "pairs": [asdict(pair) for pair in pairs],
        "skipped": skipped,
    }
    with whole_or_gone(results / f"crosscheck-{now:%Y%m%d-%H%M%S}") as (unfinished, folder):
        write_json(unfinished / "crosscheck.json", record)
        (unfinished / "crosscheck.md").write_text(markdown(record, pairs), encoding="utf-8")
    return folder / "crosscheck.md"
