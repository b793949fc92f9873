"""Synthetic runs: invented trials of a simulated server, written through loadtests.records.

Nothing here was measured. One queue served in order, service_s a request and an overhead_s that
does not occupy the server, has known answers and the shape of a run folder.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.load import load_run
from analysis.summary import Summary, summarise
from loadtests.records import (
    SCHEMA_VERSION,
    Level,
    ParityRecord,
    Phases,
    Purpose,
    TrialRecord,
    write_json,
    write_trial,
)
from loadtests.tables import REQUESTS_SCHEMA, TELEMETRY_SCHEMA, write_table

WARMUP_S = 1.0
LENGTHS = np.array([10, 20, 50, 100])
"""Tokens of the texts in turn: one in each length bucket."""


@dataclass(frozen=True)
class SyntheticContender:
    name: str
    service_s: float
    overhead_s: float = 0.001
    protocol: str = "http-json"
    moving_parts: int = 2
    mean_batch: float = 1.0
    fails: str | None = None
    send_lag_s: float = 0.0001
    server: str = "synthetic"
    engine: str = "onnxruntime"
    setting: str = "tuned"
    options: dict[str, Any] = field(default_factory=dict)
    telemetry: dict[str, Any] = field(default_factory=dict)


def facts(contender: SyntheticContender) -> dict[str, Any]:
    return {
        "name": contender.name,
        "server": contender.server,
        "protocol": contender.protocol,
        "engine": contender.engine,
        "setting": contender.setting,
        "batching": contender.mean_batch > 1,
        "summary": f"Synthetic: {contender.service_s * 1000:g} ms a request.",
        "moving_parts": contender.moving_parts,
        "extra_ports": [],
        "options": contender.options,
    }


def open_loop_rows(
    contender: SyntheticContender, rate_rps: float, steady_s: float, seed: int
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n_requests = int(rate_rps * (WARMUP_S + steady_s) * 1.5) + 50
    scheduled_s = np.cumsum(rng.exponential(1 / rate_rps, n_requests))
    scheduled_s = scheduled_s[scheduled_s < WARMUP_S + steady_s]
    sent_s = scheduled_s + contender.send_lag_s
    service_s = rng.uniform(0.5, 1.5, len(sent_s)) * contender.service_s
    # Served in order of arrival: done = max(arrival, previous done) + service (Lindley).
    served_s = np.cumsum(service_s)
    free_s = np.maximum.accumulate(sent_s - (served_s - service_s))
    done_s = free_s + served_s + contender.overhead_s
    return rows(scheduled_s, sent_s, done_s)


def rows(
    scheduled_s: Sequence[float] | np.ndarray,
    sent_s: Sequence[float] | np.ndarray,
    done_s: Sequence[float] | np.ndarray,
    status: Sequence[str] | str = "ok",
) -> pd.DataFrame:
    frame = pd.DataFrame({"scheduled_s": scheduled_s, "sent_s": sent_s, "done_s": done_s})
    frame["phase"] = np.where(frame["scheduled_s"] < WARMUP_S, "warm-up", "steady")
    frame["status"] = status
    frame["request_index"] = np.arange(len(frame))
    frame["text_id"] = frame["request_index"] % 100
    frame["n_tokens"] = LENGTHS[frame["request_index"] % len(LENGTHS)]
    frame["worker"] = 0
    return frame


def telemetry(steady_s: float, cpu_per_s: float) -> pd.DataFrame:
    t_s = np.arange(0.0, WARMUP_S + steady_s + 0.5, 0.25)
    return pd.DataFrame(
        {
            "t_s": t_s,
            "server_cpu_s": 5.0 + t_s * cpu_per_s,
            "server_rss_bytes": 300_000_000 + (t_s * 1000).astype(int),
            "load_cpu_s": 1.0 + t_s * 0.1,
            "load_rss_bytes": 50_000_000,
        }
    )


class SyntheticRun:
    """A run folder under construction."""

    def __init__(self, folder: Path, contenders: Sequence[str], **changes: Any) -> None:
        self.folder = folder
        (folder / "trials").mkdir(parents=True)
        self.telemetry_changes: dict[str, Any] = {}
        self.steady_s = float(changes.pop("steady_s", 6.0))
        load = {
            "rates_rps": changes.pop("rates_rps", [200.0]),
            "concurrency": changes.pop("concurrency", []),
            "warmup_s": WARMUP_S,
            "steady_s": self.steady_s,
            "min_requests": 1000,
            "request_timeout_s": 10.0,
            "workers": 1,
            "arrivals": changes.pop("arrivals", {"kind": "poisson"}),
        }
        self.manifest: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "run_id": folder.name,
            "created_at": "2026-11-21T21:30:00+00:00",
            "finished_at": "2026-11-21T21:36:00+00:00",
            "command": "study run synthetic.toml",
            "experiment": {
                "name": "synthetic",
                "description": "Synthetic rows of simulated servers: nothing was measured.",
                "seed": 7,
                "repeats": changes.pop("repeats", 1),
                "reference": contenders[0],
                "contenders": list(contenders),
                "slo": {"percentile": 99, "latency_ms": 100, "max_error_ratio": 0.001},
                "more_slos": changes.pop("more_slos", []),
                "noise_floor": changes.pop("noise_floor", None),
                "min_difference": changes.pop("min_difference", 0.05),
                "load": load,
                "calibration": {"contenders": ["null-http"], "concurrency": 16, "steady_s": 3},
            },
            "machine": {
                "platform": "Linux",
                "cpu_model": "Synthetic CPU",
                "cpu_count": 2,
                "memory_bytes": 8 * 2**30,
                "gpu": None,
                "python": "3.11.0",
            },
            "versions": {"torch": "0.0", "onnxruntime": "0.0"},
            "git": {"commit": "0" * 40, "dirty": False},
            "model": {
                "name": "small",
                "digest": "a" * 64,
                "weights": "seeded",
                "notes": ["The weights are seeded, not trained: labels mean nothing."],
                "accuracy": None,
            },
            "traffic": {"source": "synthetic", "digest": "b" * 64, "n_texts": 100},
            "cores": {"server": [0], "load": [1]},
            "form": "embedded",
        } | changes
        self.save()

    def save(self) -> None:
        write_json(self.folder / "manifest.json", self.manifest)

    def add(
        self,
        contender: SyntheticContender,
        requests: pd.DataFrame | None,
        level: Level,
        repeat: int = 1,
        **changes: Any,
    ) -> Path:
        """Writes one trial; requests None: it failed."""
        purpose: Purpose = changes.pop("purpose", "measurement")
        name = f"{contender.name}-{level.label}-{repeat}"
        folder = (
            self.folder / "trials" / (name if purpose == "measurement" else f"{purpose}-{name}")
        )
        folder.mkdir()
        n_ok = 0 if requests is None else int((requests["status"] == "ok").sum())
        n_executions = int(n_ok / contender.mean_batch)
        record = TrialRecord(
            trial_id=folder.name,
            purpose=purpose,
            contender=facts(contender),
            level=level,
            repeat=repeat,
            order=0,
            status="completed" if requests is not None else "failed",
            reason=contender.fails,
            log_tail=("Traceback", "RuntimeError: synthetic") if contender.fails else (),
            startup_s=1.5,
            phases=Phases(WARMUP_S, self.steady_s, 1.0),
            cores={role: tuple(cores) for role, cores in self.manifest["cores"].items()},
            parity=ParityRecord(checked=20, mismatches=0, max_confidence_gap=0.0001),
            counters_before=counters(10, 10, 10),
            counters_after=counters(10 + n_ok, 10 + n_ok, 10 + n_executions),
            telemetry_sources={name: source_of(name) for name in contender.telemetry},
        )
        write_trial(folder, replace(record, **changes))
        if requests is not None:
            cpu_per_s = min(n_ok / (WARMUP_S + self.steady_s) * contender.service_s, 1.0)
            write_table(folder / "requests.parquet", requests, REQUESTS_SCHEMA)
            samples = telemetry(self.steady_s, cpu_per_s).assign(
                **self.telemetry_changes, **contender.telemetry
            )
            write_table(folder / "telemetry.parquet", samples, TELEMETRY_SCHEMA)
        return folder

    def simulate(
        self, contenders: Sequence[SyntheticContender], purpose: Purpose = "measurement"
    ) -> None:
        """Every contender at every arrival rate and repeat of the manifest."""
        experiment = self.manifest["experiment"]
        for contender in contenders:
            for rate_rps in experiment["load"]["rates_rps"]:
                for repeat in range(1, experiment["repeats"] + 1):
                    seed = int(rate_rps) * 10 + repeat
                    requests = open_loop_rows(contender, rate_rps, self.steady_s, seed)
                    self.add(
                        contender,
                        None if contender.fails else requests,
                        Level("open", rate_rps=rate_rps),
                        repeat,
                        purpose=purpose,
                    )

    def calibrate(self, name: str, protocol: str, ceiling_rps: int) -> None:
        contender = SyntheticContender(name, 1e-6, protocol=protocol)
        done_s = np.arange(0, WARMUP_S + self.steady_s, 1 / ceiling_rps)
        level = Level("closed", concurrency=16)
        requests = rows(done_s - 0.001, done_s - 0.001, done_s)
        self.add(contender, requests, level, purpose="calibration", parity=None)


def source_of(column: str) -> str:
    return "nvml gpm" if "active" in column else "nvml"


def counters(n_ok: int, inferences: int, executions: int) -> dict[str, int | None]:
    return {
        "requests_ok": n_ok,
        "requests_failed": 0,
        "inferences": inferences,
        "executions": executions,
        "real_tokens": inferences * 12,
        "padded_tokens": inferences * 16,
    }


CONTENDERS = (
    SyntheticContender("fastapi", 0.0072, 0.004, engine="torch"),
    SyntheticContender("fastapi-tuned", 0.0058, 0.003, engine="torch"),
    SyntheticContender("fastapi-onnx", 0.0021, 0.002, moving_parts=3),
    SyntheticContender("litserve", 0.0008, 0.012, moving_parts=4, mean_batch=3.2),
    SyntheticContender("triton", 0.0007, 0.008, "kserve-grpc", moving_parts=5, mean_batch=4.4),
    SyntheticContender("hybrid", 0.0009, 0.011, moving_parts=7, mean_batch=4.1),
    SyntheticContender("broken", 0.001, moving_parts=9, fails="exited with code 1 while starting"),
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
    """A synthetic run with all contenders of the ladder, saturation, a failure and ceilings."""
    return build_full_run(tmp_path_factory.mktemp("runs") / "synthetic-full")


def on_gpu(
    busy_pct: float, sm_active: float, tensor_active: float, power_w: float, cores_used: float
) -> dict[str, Any]:
    """Telemetry of a simulated GPU, and of a server that uses so many cores, whatever the load."""
    return {
        "gpu_busy_pct": busy_pct,
        "gpu_sm_active_ratio": sm_active,
        "gpu_tensor_active_ratio": tensor_active,
        "gpu_memory_bytes": 3 * 2**30,
        "gpu_power_w": power_w,
        "gpu_energy_j": lambda frame: 1000 + frame["t_s"] * power_w,
        "gpu_sm_clock_mhz": lambda frame: np.where(frame["t_s"] < 2, 1200, 1980),
        "gpu_throttle_reasons": lambda frame: np.where(frame["t_s"] < 2, 0x04, 0),
        "server_cpu_s": lambda frame: 5 + frame["t_s"] * cores_used,
    }


FP16 = {"device": "cuda", "precision": "fp16", "cuda_graphs": False, "tensorrt": False}
TRITON = {**FP16, "batcher": True, "instances": 1, "max_batch_size": 32}
GPU_CONTENDERS = (
    SyntheticContender(
        "fastapi",
        0.004,
        server="fastapi_service",
        engine="torch",
        setting="as-published",
        options={"device": "cuda"},
        telemetry=on_gpu(97, 0.28, 0.05, 240, 1.0),
    ),
    SyntheticContender(
        "fastapi-tuned",
        0.0022,
        server="fastapi_service",
        engine="torch",
        options=FP16,
        telemetry=on_gpu(92, 0.2, 0.1, 230, 1.4),
    ),
    SyntheticContender(
        "litserve",
        0.00028,
        mean_batch=12,
        moving_parts=4,
        server="litserve_service",
        engine="torch",
        options={**FP16, "max_batch_size": 32},
        telemetry=on_gpu(96, 0.6, 0.4, 420, 2.6),
    ),
    SyntheticContender(
        "triton",
        0.0004,
        protocol="kserve-grpc",
        mean_batch=16,
        moving_parts=6,
        server="triton_service",
        options=TRITON,
        telemetry=on_gpu(99, 0.87, 0.55, 610, 3.0),
    ),
    SyntheticContender(
        "triton-x2",
        0.0003,
        protocol="kserve-grpc",
        mean_batch=14,
        moving_parts=7,
        server="triton_service",
        options={**TRITON, "instances": 2},
        telemetry=on_gpu(99, 0.9, 0.6, 640, 3.4),
    ),
    SyntheticContender(
        "hybrid",
        0.0009,
        mean_batch=6,
        moving_parts=8,
        server="hybrid_gateway",
        options=TRITON,
        telemetry=on_gpu(80, 0.3, 0.2, 330, 2.0)
        | {"gateway_cpu_s": lambda frame: 1 + frame["t_s"] * 0.97},
    ),
)


def engine_record(
    engine: str, precision: str, used_by: Sequence[str], speed: float, **changes: Any
) -> dict[str, Any]:
    """An entry of engines.json: 1 ms a batch and 0.2 ms for each 64 tokens in it, over speed."""
    times_ms = {
        (batch, length): (1 + 0.2 * batch * length / 64) / speed
        for length in (16, 64, 128)
        for batch in (1, 8, 32)
    }
    return {
        "engine": engine,
        "placement": {
            "device": "cuda",
            "precision": precision,
            "cuda_graphs": False,
            "tensorrt": False,
        },
        "used_by": list(used_by),
        "available": True,
        "reason": "",
        "version": f"{engine} 0.0",
        "device_name": "Synthetic GPU",
        "proof": {
            "precision_found": precision,
            "n_texts": 1000,
            "labels_agree_ratio": 0.998,
            "max_abs_logit_difference": 0.0125,
            "reference": "torch fp32 on cpu",
        },
        "curve": [
            {
                "batch": batch,
                "length_tokens": length,
                "latency_p50_ms": time_ms,
                "latency_p99_ms": time_ms * 1.1,
                "rate_rps": 1000 * batch / time_ms,
                "repeats": 200,
            }
            for (batch, length), time_ms in times_ms.items()
        ],
        "flops_per_request": {"16": 2.8e9, "64": 11.2e9, "128": 22.6e9},
        "matmul_flops_per_s": 4e14 if precision == "fp16" else 4e13,
    } | changes


def build_gpu_run(folder: Path) -> Path:
    run = SyntheticRun(
        folder,
        [contender.name for contender in GPU_CONTENDERS],
        rates_rps=[100.0, 400.0, 1600.0, 3200.0],
        steady_s=3.5,
        cores={"server": list(range(8)), "load": [8, 9]},
    )
    run.manifest["machine"]["gpu"] = {"name": "Synthetic GPU", "driver": "0.0"}
    run.manifest["experiment"]["price"] = {
        "server_per_hour": 3.6,
        "currency": "EUR",
        "source": "invented for this test",
    }
    run.save()
    run.calibrate("null-http", "http-json", 5000)
    run.calibrate("null-grpc", "kserve-grpc", 9000)
    run.simulate(GPU_CONTENDERS)
    engines = [
        engine_record("torch", "fp32", ["fastapi"], 0.3),
        engine_record("torch", "fp16", ["fastapi-tuned", "litserve"], 0.55),
        engine_record("onnxruntime", "fp16", ["triton", "triton-x2", "hybrid"], 0.5),
        engine_record(
            "onnxruntime",
            "fp16",
            ["triton-tensorrt"],
            1,
            available=False,
            reason="expected libnvinfer, found none; install TensorRT.",
            proof=None,
            curve=[],
        ),
    ]
    write_json(folder / "engines.json", {"schema_version": SCHEMA_VERSION, "engines": engines})
    return run.folder


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
        steady_s=8.0,
        noise_floor=first.name,
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
