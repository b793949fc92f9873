"""What the load tools of others have in common: a binary, its version, and one bounded run."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from loadtests.generator.schedule import Schedule
from loadtests.host.process_group import stop
from loadtests.records.percentiles import least_successes
from loadtests.records.trials import Level
from loadtests.wire.address import Address
from loadtests.wire.texts import read_traffic
from servers.confine import confined


class ToolError(RuntimeError):
    """A load tool is unavailable, did not finish, or wrote something unexpected."""


@dataclass(frozen=True)
class Tool:
    """A load tool on this machine; environment is added to the study's own."""

    name: str
    version: str
    binary: Path
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ToolMeasurement:
    """One run as one client saw it: latencies count from sending to the whole reply.

    p99_ms is null below SUCCESSES_FOR_P99; late_ratio is the share of requests the client itself
    says it sent late (null: it does not say).
    """

    n_ok: int
    n_failed: int
    throughput_rps: float
    p50_ms: float | None
    p99_ms: float | None
    late_ratio: float | None = None


SUCCESSES_FOR_P99 = least_successes(99)


@dataclass(frozen=True)
class ToolLoad:
    """What both clients are asked to do.

    traffic is the file of the texts; cores are the client's, own_cores says whether the server
    keeps off them; work is an existing folder of its own.
    """

    address: Address
    level: Level
    steady_s: int
    schedule: Schedule
    traffic: Path
    cores: Sequence[int]
    own_cores: bool
    work: Path

    def texts(self) -> list[str]:
        """One text a request, in the order of the schedule."""
        entries = read_traffic(self.traffic)
        return [entries[text_id].text for text_id in self.schedule.text_ids]


def _without_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    # perf_analyzer's gRPC would go through a proxy, to loopback too, and measure that.
    return {k: v for k, v in environment.items() if not k.lower().endswith("_proxy")}


def run_tool(
    tool: Tool, arguments: Sequence[str], cores: Sequence[int], log: Path, within_s: float
) -> str:
    """What the tool printed; it runs on the given cores and is stopped however this ends."""
    with log.open("wb") as output:
        process = psutil.Popen(
            confined([str(tool.binary), *arguments], cores),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**_without_proxies(os.environ), **tool.environment},
            start_new_session=True,
        )
    try:
        with suppress(psutil.TimeoutExpired, subprocess.TimeoutExpired):
            process.wait(within_s)
        code = process.poll()
    finally:
        stop(process, within_s=3.0)
    printed = log.read_text(encoding="utf-8", errors="replace")
    if code != 0:
        ended = f"still running after {within_s:.0f} s" if code is None else f"exit code {code}"
        last = next((line for line in reversed(printed.splitlines()) if line.strip()), "nothing")
        raise ToolError(f"expected {tool.name} to finish, found {ended}; it last printed: {last}")
    return printed
