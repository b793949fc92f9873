"""What each model loses beside others in one Triton: from the rows of `study colocate`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.colocation.gpu import GpuUse, gpu_uses, throttled
from analysis.colocation.record import read_colocation
from analysis.compare.intervals import Interval, Metric, intervals, slice_figures
from analysis.read.value import Value, over
from analysis.steady.row_checks import EARLY_S
from loadtests.records.percentiles import FloatArray, percentile_ms
from loadtests.records.shares import percent
from loadtests.records.steady_state import SteadyState, is_steady, is_success, merged, steady_state
from loadtests.records.stored import RecordError
from loadtests.records.tables import read_requests
from loadtests.records.trials import CEILING_SHARE, Phases

TOLERANCES = {"fp32": 0.001, "fp16": 0.02}
"""By how much an answer may differ from that of before the load, relative to the mean size of its
model's answers. In another batch other kernels add in another order; half precision carries 11 bits
(a step of 0.0005), and 50 layers may add up to some tens of steps."""


class ModelLoad(Value):
    """One model in one group, all blocks together; latencies are service times (done minus
    sent), null where too few succeeded."""

    model: str
    group: tuple[str, ...]
    rate_rps: float
    n_ok: int
    n_failed: int
    service_p50_ms: float | None
    service_p99_ms: float | None
    n_compared: int
    n_wrong: int
    largest_gap: float | None
    client_busy: float | None  # most of any block: share of its core that the clients on it used


class Loss(Value):
    """What a model loses in a group, as a share of its rate alone, with a 95 % interval."""

    alone: ModelLoad
    together: ModelLoad
    loss: float | None
    low: float | None
    high: float | None


class Colocation(Value):
    losses: tuple[Loss, ...]
    gpu: tuple[GpuUse, ...]  # empty: there was no GPU
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Window:
    """One model in one block of one group: its rows, their times counted from the start of the
    window, and the steady state that the window is."""

    rows: pd.DataFrame
    steady: SteadyState
    client_busy: float | None


def colocation(folder: Path) -> Colocation:
    """Every figure of a folder of `study colocate`; RecordError where it is not one."""
    record = read_colocation(folder)
    windows = _windows(folder, record["measured"], record["answers"])
    tolerance = TOLERANCES[record["settings"]["precision"]]
    loads = {
        key: _load(*key, list(blocks.values()), record["answers"][key[0]], tolerance)
        for key, blocks in windows.items()
    }
    losses = tuple(
        _loss(loads, windows, model, group) for model, group in windows if len(group) > 1
    )
    gpu = gpu_uses(folder, record["measured"])
    of_loads = (warning for load in loads.values() for warning in _warnings(load, tolerance))
    of_gpu = (warning for use in gpu for warning in throttled(use))
    return Colocation(losses=losses, gpu=gpu, warnings=(*of_loads, *of_gpu))


_Windows = dict[tuple[str, tuple[str, ...]], dict[int, _Window]]
"""By model and group, then by block."""


def _windows(
    folder: Path,
    measured: Sequence[Mapping[str, Any]],
    answers: Mapping[str, Sequence[float]],
) -> _Windows:
    found: _Windows = {}
    for taken in sorted(measured, key=lambda m: (len(m["group"]), m["group"], m["block"])):
        busy, phases = _busy(taken), Phases(0.0, taken["window_s"])
        for model in taken["group"]:
            place = folder / taken["folder"] / model
            rows = read_requests(place)
            _refuse_impossible(rows, len(answers[model]), place / "requests.parquet")
            blocks = found.setdefault((model, tuple(taken["group"])), {})
            blocks[taken["block"]] = _Window(rows, steady_state(rows, phases), busy[model])
    return found


def _refuse_impossible(rows: pd.DataFrame, n_requests: int, path: Path) -> None:
    answered, compared = is_success(rows), rows["label"].notna()
    timeless = rows["sent_s"].isna() | rows["done_s"].isna()
    early = is_steady(rows) & (rows["sent_s"] < -EARLY_S)
    unknown = ~rows["text_id"].between(0, n_requests - 1)
    if ((timeless | early) & answered).any() or (unknown & compared).any():
        raise RecordError(
            f"{path} has a success without its times or outside of the window, or an "
            "answer to no known request: it is damaged; run `study colocate` again."
        )


def _busy(taken: Mapping[str, Any]) -> dict[str, float | None]:
    """For each model, the share of its client's core that all clients there used (the utilisation
    law: half of a core used is half of what they could send). None: not sampled."""
    cores, used = taken["client_core"], taken["client_cpu_s"]
    shares: dict[str, float | None] = {}
    for model in taken["group"]:
        there = [used[other] for other in taken["group"] if cores[other] == cores[model]]
        known = [seconds for seconds in there if seconds is not None]
        shares[model] = sum(known) / taken["window_s"] if len(known) == len(there) else None
    return shares


def _load(
    model: str,
    group: tuple[str, ...],
    windows: Sequence[_Window],
    answers: Sequence[float],
    tolerance: float,
) -> ModelLoad:
    steady = merged([window.steady for window in windows])
    gaps = np.concatenate([_gaps(window.rows, model, answers) for window in windows])
    busy = [window.client_busy for window in windows if window.client_busy is not None]
    return ModelLoad(
        model=model,
        group=group,
        rate_rps=steady.throughput_rps,
        n_ok=len(steady.service_time_s),
        n_failed=steady.n_failed,
        service_p50_ms=percentile_ms(steady.service_time_s, 50),
        service_p99_ms=percentile_ms(steady.service_time_s, 99),
        n_compared=len(gaps),
        n_wrong=int((gaps > tolerance).sum()),
        largest_gap=float(gaps.max()) if len(gaps) else None,
        client_busy=max(busy, default=None),
    )


def _gaps(rows: pd.DataFrame, model: str, answers: Sequence[float]) -> FloatArray:
    """By how much each sampled answer differs from that of before the load, relative to the mean
    size of all; infinity where another model answered, or none as it should."""
    wrong = int((rows["status"] == "wrong_answer").sum())
    kept = rows.dropna(subset=["label"])
    expected = np.asarray(answers)[kept["text_id"].to_numpy()]
    gaps = np.abs(kept["confidence"].to_numpy() - expected) / np.abs(answers).mean()
    gaps = np.where((kept["label"] == model) & ~np.isnan(gaps), gaps, np.inf)
    found: FloatArray = np.concatenate([gaps, np.full(wrong, np.inf)])
    return found


def _loss(
    loads: Mapping[tuple[str, tuple[str, ...]], ModelLoad],
    windows: _Windows,
    model: str,
    group: tuple[str, ...],
) -> Loss:
    alone, together = loads[model, (model,)], loads[model, group]
    kept = over(together.rate_rps, alone.rate_rps)
    interval = _kept_interval(windows[model, (model,)], windows[model, group])
    return Loss(
        alone=alone,
        together=together,
        loss=None if kept is None else 1 - kept,
        low=1 - interval.high if interval else None,
        high=1 - interval.low if interval else None,
    )


def _kept_interval(
    alone: Mapping[int, _Window], together: Mapping[int, _Window]
) -> Interval | None:
    """Of the ratio of the two rates, from the windows of the same blocks; None below two blocks."""
    common = sorted(alone.keys() & together.keys())
    figures = [[slice_figures(w.steady, None) for w in (alone[k], together[k])] for k in common]
    return intervals([(before, after) for before, after in figures]).get(Metric.THROUGHPUT)


def _warnings(load: ModelLoad, tolerance: float) -> list[str]:
    where = load.model if len(load.group) == 1 else f"{load.model} in {' + '.join(load.group)}"
    found = []
    if load.n_failed:
        found.append(f"{where}: {load.n_failed} of {load.n_failed + load.n_ok} requests failed.")
    if not load.n_ok:
        found.append(f"{where}: no request was answered in the window; give more --seconds.")
    elif not load.n_compared:
        found.append(f"{where}: no answer was compared; give more --seconds.")
    if load.n_wrong:
        found.append(
            f"{where}: {load.n_wrong} of {load.n_compared} sampled answers differ from those "
            f"before the load by more than {percent(tolerance, 1)}: its rate must not be used."
        )
    if load.client_busy is not None and load.client_busy > CEILING_SHARE:
        found.append(
            f"{where}: its client's core was busy for {percent(load.client_busy)} of the time "
            f"(bound {percent(CEILING_SHARE)}): the client is near its ceiling, and the rate may "
            "be its own."
        )
    return found
