"""The part of a trial that is analysed: its steady state, as plain arrays and totals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.read.run import Trial
from analysis.steady.row_checks import Rows, inspect
from analysis.steady.usage import FloatArray, Usage, take_usage
from loadtests.records.running_totals import growth
from loadtests.records.tables import BUCKETS_TOKENS
from loadtests.records.trials import CLIENT_LIMIT

UNANSWERED = ("timeout", "connection", CLIENT_LIMIT)
"""Statuses of requests that the server may have answered although the client saw no reply."""

SLICE_S = 0.5
MAX_SLICES = 60
"""The steady state is cut into slices of half a second, or longer ones where it is long: queues
remember, so that neighbouring requests are no independent draws, but such slices nearly are."""


@dataclass(frozen=True)
class Sample:
    """One trial's steady state.

    scheduled_s (from the start of the window), latency_s, service_time_s and padded_tokens (length
    bucket, 0: unknown) hold one value a success scheduled in the window; done_s and
    done_in_window_latency_s one a success done in the window, whenever it was scheduled; send_lag_s
    one a request sent. server_cpu_s holds CPU seconds by slice (None: not measured). counters holds
    differences over the whole trial, as do n_ok_in_trial, n_unanswered_in_trial and
    n_client_limit_in_trial, which are the client's side of them.
    """

    window_s: float
    n_offered: int
    n_failed: int
    scheduled_s: FloatArray
    latency_s: FloatArray
    service_time_s: FloatArray
    padded_tokens: npt.NDArray[np.int16]
    send_lag_s: FloatArray
    done_s: FloatArray
    done_in_window_latency_s: FloatArray
    server_cpu_s: FloatArray | None
    usage: Usage
    rows: Rows
    counters: dict[str, int | None]
    n_ok_in_trial: int
    n_unanswered_in_trial: int
    n_client_limit_in_trial: int = 0

    @property
    def n_slices(self) -> int:
        return slices(self.window_s)


def slices(window_s: float) -> int:
    """Number of slices that a window is cut into."""
    return int(min(max(window_s // SLICE_S, 1), MAX_SLICES))


def take_sample(trial: Trial) -> Sample:
    """The steady state of a completed trial."""
    phases = trial.record.phases
    if phases is None:
        raise ValueError(f"{trial.record.trial_id} did not complete: it has no steady state.")
    start_s, end_s = phases.warmup_s, phases.warmup_s + phases.steady_s
    requests, telemetry = trial.requests, trial.telemetry
    scheduled_s = requests["scheduled_s"].to_numpy(float)
    sent_s = requests["sent_s"].to_numpy(float)
    done_s = requests["done_s"].to_numpy(float)
    ok = (requests["status"] == "ok").to_numpy()
    steady = (requests["phase"] == "steady").to_numpy()
    success = steady & ok
    # Counting only steady rows would charge a slow server for the backlog its warm-up left.
    done_in_window = ok & (done_s >= start_s) & (done_s < end_s)
    lag_s = (sent_s - scheduled_s)[steady]
    edges_s = np.linspace(start_s, end_s, slices(phases.steady_s) + 1)
    return Sample(
        window_s=phases.steady_s,
        n_offered=int(steady.sum()),
        n_failed=int((steady & ~ok).sum()),
        scheduled_s=scheduled_s[success] - start_s,
        latency_s=(done_s - scheduled_s)[success],
        service_time_s=(done_s - sent_s)[success],
        padded_tokens=_padded(requests["n_tokens"].to_numpy()[success]),
        send_lag_s=lag_s[~np.isnan(lag_s)],
        done_s=done_s[done_in_window] - start_s,
        done_in_window_latency_s=(done_s - scheduled_s)[done_in_window],
        server_cpu_s=growth(telemetry, "server_cpu_s", edges_s),
        usage=take_usage(telemetry, trial.record.cores, start_s, end_s),
        rows=inspect(
            requests["request_index"].to_numpy(), scheduled_s, sent_s, done_s, start_s, end_s
        ),
        counters=_differences(trial),
        n_ok_in_trial=int(ok.sum()),
        n_unanswered_in_trial=int(requests["status"].isin(UNANSWERED).sum()),
        n_client_limit_in_trial=int((requests["status"] == CLIENT_LIMIT).sum()),
    )


def total(samples: Sequence[Sample], counter: str) -> int | None:
    """The sum of one counter over samples, or None if any of them does not count it."""
    values = [sample.counters.get(counter) for sample in samples]
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _padded(n_tokens: npt.NDArray[np.generic]) -> npt.NDArray[np.int16]:
    """The length bucket of each text (as servers.contract.bucket_length); 0: length unknown."""
    known = np.nan_to_num(n_tokens.astype(np.float32))
    buckets = np.array(BUCKETS_TOKENS, dtype=np.int16)
    nearest = np.minimum(np.searchsorted(buckets, known), len(buckets) - 1)
    return np.where(known > 0, buckets[nearest], 0).astype(np.int16)


def _differences(trial: Trial) -> dict[str, int | None]:
    before, after = trial.record.counters_before, trial.record.counters_after
    if before is None or after is None:
        return {}
    return {name: _difference(before.get(name), value) for name, value in after.items()}


def _difference(before: int | None, after: int | None) -> int | None:
    return after - before if before is not None and after is not None else None
