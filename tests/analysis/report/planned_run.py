"""A synthetic run that plans can be made from. Nothing here was measured."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadtests.records.engines import engine_facts, write_engines

from ..synthetic import SyntheticContender, SyntheticRun

PLACEMENT = {"device": "cpu", "precision": "fp32", "cuda_graphs": False, "tensorrt": False}
ALONE = {"handlers": "published", "device": "cpu"}
TUNED = {"handlers": "tuned", "threads_per_pass": 1, "device": "cpu", "max_in_progress": 512}


def served(name: str, service_s: float, **options: Any) -> SyntheticContender:
    return SyntheticContender(name, service_s, server="fastapi_service", options=options)


CONTENDERS = (
    served("fastapi", 0.004, **ALONE),
    served("fastapi-tuned", 0.002, max_batch_size=1, **TUNED),
    served("fastapi-batched", 0.002, max_batch_size=32, **TUNED),
)


def engine(ms: float = 1.0) -> Any:
    curve = [
        {"batch": batch, "length_tokens": length, "latency_p50_ms": ms, "latency_p99_ms": None}
        | {"rate_rps": 1000 * batch / (ms * (1 + 0.1 * batch)), "repeats": 50}
        for batch in (1, 8)
        for length in (16, 64)
    ]
    return engine_facts(
        {"engine": "onnxruntime", "placement": PLACEMENT, "used_by": ["fastapi"]}
        | {"available": True, "curve": curve}
    )


def planned_run(
    folder: Path,
    contenders: Sequence[SyntheticContender] = CONTENDERS,
    with_engines: bool = True,
) -> Path:
    run = SyntheticRun(folder, [each.name for each in contenders], rates_rps=[50.0, 200.0])
    run.calibrate("null-http", "http-json", 4000)
    run.simulate(contenders)
    if with_engines:
        write_engines(folder, [engine()])
    return folder
