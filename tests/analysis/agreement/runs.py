"""Synthetic runs to be set side by side. Nothing here was measured."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loadtests.records.trials import Level, Purpose

from ..synthetic import SyntheticContender, SyntheticRun, open_loop_rows

SERVICE_MS = {"fastapi": 6.0, "fastapi-tuned": 4.0, "fastapi-onnx": 2.0}
"""Service a request by contender, far enough apart for a verdict in every figure."""


def finished_run(
    folder: Path,
    service_ms: Mapping[str, float] = SERVICE_MS,
    rates_rps: Sequence[float] = (100.0,),
    repeats: int = 3,
    seed: int = 0,
    **changes: Any,
) -> SyntheticRun:
    """A run of these contenders in rounds; the last of them is also run against itself."""
    *_, last = service_ms
    options = changes.pop("options", {})
    run = SyntheticRun(
        folder,
        list(service_ms),
        rates_rps=list(rates_rps),
        repeats=repeats,
        steady_s=6.0,
        aa_test=last,
        groups=[[*service_ms, f"{last}-again"]],
        **changes,
    )
    run.manifest["experiment"].setdefault("time_budget_s", 540.0)
    run.save()
    run.calibrate("null-http", "http-json", 4000)
    copies: list[tuple[str, str, Purpose]] = [(name, name, "measurement") for name in service_ms]
    for i, (name, of, purpose) in enumerate([*copies, (f"{last}-again", last, "noise")]):
        contender = SyntheticContender(name, service_ms[of] / 1000, options=options.get(of, {}))
        for rate_rps in rates_rps:
            for repeat in range(1, repeats + 1):
                own = (seed + 1) * 100_000 + int(rate_rps) * 100 + repeat * 10 + i
                rows = open_loop_rows(contender, rate_rps, run.steady_s, own)
                run.add(contender, rows, Level("open", rate_rps=rate_rps), repeat, purpose=purpose)
    return run


def changed(run: SyntheticRun, part: str, **values: Any) -> SyntheticRun:
    """The run with other values in one part of its manifest."""
    run.manifest[part] = run.manifest[part] | values
    run.save()
    return run
