"""The part of a trial that is analysed: its steady state, as plain arrays and totals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.load import Trial

FloatArray = npt.NDArray[np.float64]

UNANSWERED = ("timeout", "connection")
"""Statuses of requests that the server may have answered although the client saw no reply."""


@dataclass(frozen=True)
class Cpu:
    """CPU seconds per second of the window (cores in use) and the number of cores given."""

    per_s: float | None
    n_cores: int

    @property
    def utilisation(self) -> float | None:
        return self.per_s / self.n_cores if self.per_s is not None and self.n_cores else None


@dataclass(frozen=True)
class Sample:
    """One trial's steady state.

    latency_s and service_time_s hold one value a success scheduled in the window;
    done_in_window_latency_s one a success done in the window, whenever it was scheduled;
    send_lag_s one a request sent. counters holds differences over the whole trial, as do
    n_ok_in_trial and n_unanswered_in_trial, which are the client's side of them.
    """

    window_s: float
    n_offered: int
    n_failed: int
    latency_s: FloatArray
    service_time_s: FloatArray
    send_lag_s: FloatArray
    done_in_window_latency_s: FloatArray
    server_cpu: Cpu
    load_cpu: Cpu
    peak_rss_bytes: int | None
    gpu_busy_ratio: float | None
    counters: dict[str, int | None]
    n_ok_in_trial: int
    n_unanswered_in_trial: int


def take_sample(trial: Trial) -> Sample:
    """The steady state of a completed trial."""
    phases = trial.record.phases
    if phases is None:
        raise ValueError(f"{trial.record.trial_id} did not complete: it has no steady state.")
    start_s, end_s = phases.warmup_s, phases.warmup_s + phases.steady_s
    scheduled_s = trial.requests["scheduled_s"].to_numpy(float)
    sent_s = trial.requests["sent_s"].to_numpy(float)
    done_s = trial.requests["done_s"].to_numpy(float)
    status = trial.requests["status"]
    ok = (status == "ok").to_numpy()
    steady = (trial.requests["phase"] == "steady").to_numpy()
    # Counting only steady rows would charge a slow server for the backlog its warm-up left.
    done_in_window = ok & (done_s >= start_s) & (done_s < end_s)
    lag_s = (sent_s - scheduled_s)[steady]
    telemetry = trial.telemetry
    window = telemetry[(telemetry["t_s"] >= start_s) & (telemetry["t_s"] <= end_s)]
    rss_bytes = window["server_rss_bytes"].dropna()
    gpu_busy_pct = window["gpu_busy_pct"].dropna()
    cores = trial.record.cores
    return Sample(
        window_s=phases.steady_s,
        n_offered=int(steady.sum()),
        n_failed=int((steady & ~ok).sum()),
        latency_s=(done_s - scheduled_s)[steady & ok],
        service_time_s=(done_s - sent_s)[steady & ok],
        send_lag_s=lag_s[~np.isnan(lag_s)],
        done_in_window_latency_s=(done_s - scheduled_s)[done_in_window],
        server_cpu=Cpu(
            _cpu_per_s(telemetry, "server_cpu_s", start_s, end_s), len(cores.get("server", ()))
        ),
        load_cpu=Cpu(
            _cpu_per_s(telemetry, "load_cpu_s", start_s, end_s), len(cores.get("load", ()))
        ),
        peak_rss_bytes=int(rss_bytes.max()) if len(rss_bytes) else None,
        gpu_busy_ratio=float(gpu_busy_pct.mean()) / 100 if len(gpu_busy_pct) else None,
        counters=_differences(trial),
        n_ok_in_trial=int(ok.sum()),
        n_unanswered_in_trial=int(status.isin(UNANSWERED).sum()),
    )


def total(samples: Sequence[Sample], counter: str) -> int | None:
    """The sum of one counter over samples, or None if any of them does not count it."""
    values = [sample.counters.get(counter) for sample in samples]
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _cpu_per_s(telemetry: pd.DataFrame, column: str, start_s: float, end_s: float) -> float | None:
    """Growth of a running total of CPU seconds, interpolated at both ends of the window."""
    known = telemetry[["t_s", column]].dropna()
    if len(known) < 2:
        return None
    t_s, cpu_s = known["t_s"].to_numpy(float), known[column].to_numpy(float)
    first_s, last_s = max(start_s, t_s[0]), min(end_s, t_s[-1])
    if last_s <= first_s:
        return None
    used_s = np.interp(last_s, t_s, cpu_s) - np.interp(first_s, t_s, cpu_s)
    return float(used_s / (last_s - first_s))


def _differences(trial: Trial) -> dict[str, int | None]:
    before, after = trial.record.counters_before, trial.record.counters_after
    if before is None or after is None:
        return {}
    return {name: _difference(before.get(name), value) for name, value in after.items()}


def _difference(before: int | None, after: int | None) -> int | None:
    return after - before if before is not None and after is not None else None
