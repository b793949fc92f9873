"""wrk, an HTTP load tool in C: the same bodies in the same order, in a closed loop."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loadtests.selfcheck.outside_tools import (
    SUCCESSES_FOR_P99,
    Tool,
    ToolError,
    ToolLoad,
    ToolMeasurement,
    run_tool,
)
from loadtests.wire.formats import HTTP_PATH
from loadtests.wire.texts import encode_request

SCRIPT = Path(__file__).with_name("wrk_rotate.lua")
MISSING = "expected wrk on the PATH, found none: install it, e.g. `apt-get install wrk`."


def find() -> Tool | None:
    """The wrk on the PATH; None without one."""
    binary = shutil.which("wrk")
    if not binary:
        return None
    # It prints its version with its usage, and calls that a failure.
    said = subprocess.run([binary, "-v"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"wrk (\S+)", said)
    return Tool("wrk", version[1] if version else "unknown", Path(binary))


def arguments(load: ToolLoad, bodies: Path) -> list[str]:
    """One thread: it uses one core, as one load generator process does."""
    return [
        *("--threads", "1", "--connections", str(load.level.concurrency)),
        *("--duration", f"{load.steady_s}s", "--timeout", "10s"),
        *("--script", str(SCRIPT), f"{load.address.url}{HTTP_PATH}", "--", str(bodies)),
    ]


def measure(tool: Tool, load: ToolLoad) -> ToolMeasurement:
    """One run; ToolError when it fails."""
    bodies = load.work / "bodies.txt"
    bodies.write_bytes(b"".join(encode_request("http-json", text) + b"\n" for text in load.texts()))
    log = load.work / "wrk.log"
    return parse(run_tool(tool, arguments(load, bodies), load.cores, log, load.steady_s + 30))


def parse(printed: str) -> ToolMeasurement:
    """The line of JSON that wrk_rotate.lua prints at the end."""
    found = re.search(r"^crosscheck (\{.*\})$", printed, re.MULTILINE)
    if not found:
        raise ToolError("expected a line of figures from wrk, found none: see wrk.log.")
    said = json.loads(found[1])
    n_ok = said["requests"] - said["error_statuses"]
    return ToolMeasurement(
        n_ok=n_ok,
        n_failed=said["error_statuses"] + said["socket_errors"],
        throughput_rps=n_ok / (said["duration_us"] / 1e6),
        p50_ms=said["p50_us"] / 1000 if n_ok else None,
        p99_ms=said["p99_us"] / 1000 if n_ok >= SUCCESSES_FOR_P99 else None,
    )


def corrected(service_time_s: NDArray[np.float64], interval_s: float) -> NDArray[np.float64]:
    """Service times with those added that wrk adds to its own.

    wrk 4 takes a reply that took at least twice the mean interval between the requests of a
    connection for several omitted ones, and adds x - interval, x - 2 interval, ... down to the
    interval (wrk, src/stats.c, stats_correct). Its percentiles can be compared only with these.
    """
    added = [
        np.arange(slow_s - interval_s, interval_s, -interval_s)
        for slow_s in service_time_s[service_time_s >= 2 * interval_s]
    ]
    return np.concatenate([service_time_s, *added])
