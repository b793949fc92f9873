"""Fixtures over synthetic runs: nothing here was measured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
import pytest

from analysis.read.run import load_run
from analysis.report.summary import Summary, summarise
from loadtests.records.trials import Level

from .synthetic import SyntheticContender, SyntheticRun, open_loop_rows, rows
from .synthetic_gpu import build_gpu_run, engine_record

TRITON_PARTS = ["tritonserver", "one stub", "another", "repository", "network"]
CONTENDERS = (
    SyntheticContender("fastapi", 0.0072, 0.004, engine="torch"),
    SyntheticContender("fastapi-tuned", 0.0058, 0.003, engine="torch"),
    SyntheticContender("fastapi-onnx", 0.0021, 0.002, components=3),
    SyntheticContender("litserve", 0.0008, 0.012, components=4, mean_batch=3.2),
    SyntheticContender("triton", 0.0007, 0.008, "kserve-grpc", TRITON_PARTS, mean_batch=4.4),
    SyntheticContender("hybrid", 0.0009, 0.011, components=7, mean_batch=4.1),
    SyntheticContender("broken", 0.001, components=9, fails="exited with code 1 while starting"),
)


@pytest.fixture
def contender() -> Callable[..., SyntheticContender]:
    return SyntheticContender


@pytest.fixture
def make_rows() -> Callable[..., pd.DataFrame]:
    return rows


@pytest.fixture
def new_run(tmp_path: Path) -> Callable[..., SyntheticRun]:
    """Starts an empty synthetic run: new_run(["name", ...], rates_rps=[...], repeats=2)."""

    def start(contenders: Sequence[str], **changes: Any) -> SyntheticRun:
        return SyntheticRun(tmp_path / "synthetic-run", contenders, **changes)

    return start


COLLAPSE = MappingProxyType({200.0: (0.001, 0.001), 400.0: (0.02, 0.02)})


@pytest.fixture
def collapsing(
    new_run: Callable[..., SyntheticRun], contender: Callable[..., SyntheticContender]
) -> Callable[..., Summary]:
    """The summary of contender `a`, whose seconds of service a request depend on rate and repeat:
    as given here it keeps up at 200 rps, and answers 50 of 400. cpu: share of the core in use."""

    def simulate(
        service_s: Mapping[float, Sequence[float]] = COLLAPSE,
        cpu: float = 0.95,
        cpu_at_200: float | None = None,
    ) -> Summary:
        run = new_run(["a"], rates_rps=list(service_s), repeats=2, steady_s=8.0)
        run.calibrate("null-http", "http-json", 4000)
        for rate_rps, each_s in service_s.items():
            used = cpu if rate_rps != 200 or cpu_at_200 is None else cpu_at_200
            run.telemetry_changes = {"server_cpu_s": lambda frame, used=used: frame["t_s"] * used}
            for repeat, one_s in enumerate(each_s, start=1):
                requests = open_loop_rows(contender("a", one_s), rate_rps, run.steady_s, repeat)
                run.add(contender("a", one_s), requests, Level("open", rate_rps=rate_rps), repeat)
        return summarise(load_run(run.folder))

    return simulate


def build_full_run(folder: Path) -> Path:
    run = SyntheticRun(
        folder,
        [contender.name for contender in CONTENDERS],
        rates_rps=[50.0, 100.0, 200.0, 400.0, 800.0],
        repeats=3,
        steady_s=12.0,
    )
    run.calibrate("null-http", "http-json", 4000)
    run.calibrate("null-grpc", "kserve-grpc", 1500)
    run.simulate(CONTENDERS)
    return run.folder


@pytest.fixture(scope="session")
def full_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic run with all contenders of the ablation, saturation, a failure and ceilings."""
    return build_full_run(tmp_path_factory.mktemp("runs") / "synthetic-full")


@pytest.fixture(scope="session")
def gpu_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic run on a GPU that does not exist: engines alone, telemetry, a price."""
    return build_gpu_run(tmp_path_factory.mktemp("runs") / "synthetic-gpu")


@pytest.fixture(scope="session")
def gpu_summary(gpu_run: Path) -> Summary:
    return summarise(load_run(gpu_run))


@pytest.fixture
def make_engine() -> Callable[..., dict[str, Any]]:
    return engine_record


def build_searched_run(folder: Path) -> Path:
    first, tuned, late, triton = CONTENDERS[0], CONTENDERS[1], CONTENDERS[2], CONTENDERS[4]
    contenders = (first, tuned, replace(late, send_lag_s=0.05), triton, CONTENDERS[-1])
    run = SyntheticRun(
        folder,
        [contender.name for contender in contenders],
        rates_rps=[100.0, 400.0],
        repeats=3,
        steady_s=24.0,
        aa_test=first.name,
        more_slos=[{"percentile": 95, "latency_ms": 30, "max_error_ratio": 0.001}],
    )
    run.calibrate("null-http", "http-json", 4000)
    run.simulate(contenders)
    run.simulate([replace(first, name=f"{first.name}-again")], purpose="noise")
    for contender in contenders:
        for rate_rps in (71.0, 141.0):
            requests = open_loop_rows(contender, rate_rps, run.steady_s, int(rate_rps))
            level = Level("open", rate_rps=rate_rps)
            run.add(contender, None if contender.fails else requests, level, 0, purpose="search")
    return run.folder


@pytest.fixture(scope="session")
def searched_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic run of the default kind: two SLOs, a noise floor, probes of a capacity search,
    a contender measured by a late client, and one that never started."""
    return build_searched_run(tmp_path_factory.mktemp("runs") / "synthetic-searched")


@pytest.fixture(scope="session")
def searched_summary(searched_run: Path) -> Summary:
    return summarise(load_run(searched_run))
