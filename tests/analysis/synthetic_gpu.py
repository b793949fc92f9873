"""A synthetic run on a GPU that does not exist: telemetry, engines alone, a price."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from loadtests.records.stored import SCHEMA_VERSION
from loadtests.records.trials import write_json

from .synthetic import SyntheticContender, SyntheticRun


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
        0.0018,
        server="fastapi_service",
        engine="torch",
        options=FP16,
        telemetry=on_gpu(92, 0.2, 0.1, 230, 1.4),
    ),
    SyntheticContender(
        "litserve",
        0.000292,
        mean_batch=12,
        components=4,
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
        components=6,
        server="triton_service",
        options=TRITON,
        telemetry=on_gpu(99, 0.87, 0.55, 610, 3.0),
    ),
    SyntheticContender(
        "triton-x2",
        0.000292,
        protocol="kserve-grpc",
        mean_batch=14,
        components=7,
        server="triton_service",
        options={**TRITON, "instances": 2},
        telemetry=on_gpu(99, 0.9, 0.6, 640, 3.4),
    ),
    SyntheticContender(
        "hybrid",
        0.0009,
        mean_batch=6,
        components=8,
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
        "precision_check": {
            "precision_found": precision,
            "n_texts": 1000,
            "labels_agree_ratio": 0.998,
            "max_abs_logit_difference": 0.0125,
            "max_abs_logit": 6.5,
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
        steady_s=5.0,
        repeats=3,
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
            precision_check=None,
            curve=[],
        ),
    ]
    write_json(folder / "engines.json", {"schema_version": SCHEMA_VERSION, "engines": engines})
    return run.folder
