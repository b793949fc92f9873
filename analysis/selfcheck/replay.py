"""A trial of a simulated service beside its truth: one set of requests, by law and as measured."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.read.run import Trial
from analysis.selfcheck.findings import Latency
from analysis.selfcheck.laws import FloatArray, Law, latencies_s, read_law
from analysis.validity.trials import JudgedTrial
from loadtests.records.percentiles import nearest_rank
from loadtests.records.steady_state import is_steady, is_success

TOLERANCE_RATIO = 0.1
TOLERANCE_MS = 1.0
"""A measured P99 may differ from the truth by a tenth, and by what a client and a loopback take."""


@dataclass(frozen=True)
class Replayed:
    """A trial beside its truth: latencies in s of the same requests, by law and as measured.

    late_ms: P99 send lag and P99 lateness of the simulated replies, together what the machine may
    have added; None: one of them was not recorded.
    """

    judged: JudgedTrial
    law: Law
    truth_s: FloatArray
    measured_s: FloatArray
    late_ms: float | None

    @property
    def certified(self) -> bool:
        """Whether the machine kept up: a difference beyond the tolerance is then the harness's."""
        truth_ms = p99_ms(self.truth_s)
        return self.late_ms is not None and self.late_ms <= tolerance_ms(truth_ms)


def replay(trial: Trial, judged: JudgedTrial) -> Replayed | None:
    """The truth of a completed trial, from the times at which its requests were scheduled."""
    law = read_law(trial.record.contender)
    if law is None or judged.sample is None:
        return None
    # What was never sent never arrived; all else arrived in the order of the schedule.
    rows = trial.requests[trial.requests["sent_s"].notna()].sort_values("scheduled_s")
    truth_s = latencies_s(law, rows["scheduled_s"].to_numpy(float))
    steady_ok = is_steady(rows) & is_success(rows)
    metrics = judged.result.metrics
    lag_ms = metrics.send_lag_p99_ms if metrics else None
    reply_ms = trial.record.reply_lateness_p99_ms
    late_ms = None if lag_ms is None or reply_ms is None else lag_ms + reply_ms
    truth_s, measured_s = truth_s[steady_ok], judged.sample.latency_s
    # Where two arrivals change places, a fault planted on one of them may hit the other.
    answered = ~np.isnan(truth_s)
    return Replayed(judged, law, truth_s[answered], measured_s[answered], late_ms)


def latency(replays: Sequence[Replayed]) -> Latency:
    """One law at one rate: P50 and P99 of the merged slices in which the machine kept up."""
    first = replays[0]
    used = [r for r in replays if r.certified] or list(replays)
    truth_s = np.concatenate([r.truth_s for r in used])
    measured_s = np.concatenate([r.measured_s for r in used])
    known_ms = [r.late_ms for r in used if r.late_ms is not None]
    return Latency(
        contender=first.judged.result.contender,
        law=str(first.law),
        rate_rps=first.judged.result.rate_rps or 0.0,
        n_requests=len(truth_s),
        n_slices=len(replays),
        n_certified=sum(r.certified for r in replays),
        truth_p50_ms=p50_ms(truth_s),
        measured_p50_ms=p50_ms(measured_s),
        truth_p99_ms=p99_ms(truth_s),
        measured_p99_ms=p99_ms(measured_s),
        tolerance_ms=tolerance_ms(p99_ms(truth_s)),
        late_ms=max(known_ms, default=None),
    )


def p50_ms(latency_s: FloatArray) -> float:
    return (nearest_rank(latency_s, 50) or 0.0) * 1000


def p99_ms(latency_s: FloatArray) -> float:
    """P99 by nearest rank. No least sample: truth and measurement are of the same requests."""
    return (nearest_rank(latency_s, 99) or 0.0) * 1000


def tolerance_ms(truth_ms: float) -> float:
    return TOLERANCE_RATIO * truth_ms + TOLERANCE_MS
