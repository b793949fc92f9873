"""What a cross-check found, as a record and as a Markdown page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from loadtests.records.markdown import provenance, table
from loadtests.records.shares import percent
from loadtests.records.slo import SATURATED_BELOW, is_saturated
from loadtests.records.trials import Level
from loadtests.selfcheck.outside_tools import ToolMeasurement


@dataclass(frozen=True)
class ToolPair:
    """One contender under one load, from the tool and from this project's client, one after the
    other. own_as_tool holds the client's figures computed as the tool computes its own."""

    contender: str
    level: Level
    round: int
    first: Literal["tool", "own"]
    tool_name: str
    tool: ToolMeasurement
    own: ToolMeasurement
    own_as_tool: ToolMeasurement


NOTES = (
    "Ratios are this project's client over the tool: 1 means that both saw the same.",
    "Latencies count from sending, because that is what both tools measure; the study's own "
    "latency counts from the scheduled time and is never smaller.",
    "Open loop: both send Poisson arrivals at the same rate. perf_analyzer draws its own, which "
    "were the same in every run seen, at 94 % of the rate asked for over these few seconds: rate "
    "and tail differ by that chance. In rows named `same arrivals` it replays the client's "
    "schedule, and nothing but the two clients differs.",
    "Closed loop: both keep the same number of connections busy; throughput depends on how fast "
    "the client is, too.",
    "wrk adds samples to its latencies for requests it holds to be omitted (stats_correct in its "
    "source); the client's P50 and P99 beside it have the same samples added. crosscheck.json "
    "has them without.",
    "Both send the same texts in the same order, run on the same cores, and take turns; who goes "
    "first changes with each round.",
    "A P99 is stated from 1,000 successes on.",
)

_HEAD = (
    *("contender", "load", "tool", "round", "tool rps", "own rps", "ratio", "tool P50 ms"),
    *("own P50 ms", "ratio", "tool P99 ms", "own P99 ms", "ratio", "failed"),
)


def ratio(own: float | None, tool: float | None) -> float | None:
    """Own over tool; None where either is unknown or the tool's is 0."""
    return own / tool if own is not None and tool else None


def markdown(record: Mapping[str, Any], pairs: Sequence[ToolPair]) -> str:
    """The page of one cross-check; record is what crosscheck.json holds."""
    tools = ", ".join(f"{name} {version}" for name, version in record["tools"].items())
    own = f"Locust {record['versions']['locust']}"
    lines = [
        "# Cross-check against other load tools",
        "",
        *provenance(record),
        f"- Clients: {tools or 'no tool'}; this project's own ({own}).",
        "",
        *([table(_HEAD, map(_row, pairs), 4), ""] if pairs else []),
        *_ranges(pairs),
        "",
        "Notes:",
        "",
        *(f"- {note}" for note in (*NOTES, *_saturated(pairs), *_late(pairs))),
        *(f"- Skipped: {sentence}" for sentence in record["skipped"]),
    ]
    return "\n".join(lines) + "\n"


def _row(pair: ToolPair) -> list[str]:
    tool, own = pair.tool, pair.own_as_tool
    load = (
        f"{pair.level.rate_rps:g} rps, Poisson"
        if pair.level.mode == "open"
        else f"{pair.level.concurrency} callers"
    )
    cells = [pair.contender, load, pair.tool_name, str(pair.round)]
    for name, digits in (("throughput_rps", 1), ("p50_ms", 2), ("p99_ms", 2)):
        theirs, ours = getattr(tool, name), getattr(own, name)
        cells += [_number(theirs, digits), _number(ours, digits), _number(ratio(ours, theirs), 2)]
    return [*cells, f"{tool.n_failed} / {own.n_failed}"]


def _number(value: float | None, digits: int) -> str:
    return "not stated" if value is None else f"{value:.{digits}f}"


def _ranges(pairs: Sequence[ToolPair]) -> list[str]:
    """One line a contender and tool: between what bounds its ratios lie over the rounds."""
    lines = []
    for contender, tool_name in dict.fromkeys((pair.contender, pair.tool_name) for pair in pairs):
        same = [p for p in pairs if (p.contender, p.tool_name) == (contender, tool_name)]
        ranges = []
        for name, what in (("throughput_rps", "throughput"), ("p50_ms", "P50"), ("p99_ms", "P99")):
            ratios = [ratio(getattr(p.own_as_tool, name), getattr(p.tool, name)) for p in same]
            found = [value for value in ratios if value is not None]
            if found:
                ranges.append(f"{what} {min(found):.2f} to {max(found):.2f}")
        stated = "; ".join(ranges)
        lines.append(f"- `{contender}`, own over {tool_name}, all rounds: {stated}.")
    return lines


def _saturated(pairs: Sequence[ToolPair]) -> list[str]:
    beyond = dict.fromkeys(
        f"{pair.contender}, round {pair.round}"
        for pair in pairs
        if is_saturated(pair.own.throughput_rps, pair.level.rate_rps or 0.0)
    )
    return [
        f"The server answered fewer than {percent(SATURATED_BELOW)} of the arrivals ({where}): its "
        "backlog grew, and latencies say how long it was watched, not how the clients differ."
        for where in beyond
    ]


def _late(pairs: Sequence[ToolPair]) -> list[str]:
    return [
        f"{pair.tool_name} says that it sent {percent(pair.tool.late_ratio)} of its requests late "
        f"({pair.contender}, round {pair.round})."
        for pair in pairs
        if pair.tool.late_ratio is not None and pair.tool.late_ratio >= 0.01
    ]
