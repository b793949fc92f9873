"""The checks of a trial: each compares what was measured with a bound and says whether it holds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from analysis.steady.drift import CHANGE_RATIO, drift
from analysis.steady.metrics import Metrics
from analysis.steady.sample import Sample
from analysis.validity.found import CheckMeasurement, Found, inapplicable
from analysis.validity.machine_checks import (
    core_speed,
    idle_contenders,
    other_guests,
    other_programs,
)
from analysis.validity.reasons import Reason
from loadtests.records.arrivals import Poisson
from loadtests.records.experiment import Experiment
from loadtests.records.slo import SATURATED_BELOW, is_saturated
from loadtests.records.trials import CEILING_SHARE, SEND_LAG_SHARE, TrialRecord

SEND_LAG_SHARE_SATURATED = 1.0
"""SEND_LAG_SHARE for a saturated point: it states no latency, what counts is that load arrived."""

COUNT_TOLERANCE = 0.001
COUNT_TOLERANCE_REQUESTS = 2
"""Server and client counts may differ by this share, and always by this many: Triton counts a
request after it has sent the reply, so the last ones before a reading may be counted after it."""

REPLAY_TOLERANCE = 0.001
"""Share of the schedule that may lack a request: a tenth of what lies beyond P99."""

RATE_SIGMAS = 5
"""Standard deviations of the number of arrivals by which a schedule may miss its rate: one in two
million by chance."""

LITTLE_TOLERANCE = 0.01
"""Agreement is exact but for rows lost, doubled or timed wrongly; 1 % of them is too many."""

THROTTLED_SHARE = 0.05
"""Share of samples with lowered clocks above which the hardware was not what the run says it is."""


@dataclass(frozen=True)
class Evidence:
    """What the checks of one completed trial look at. ceiling_rps None: not measured."""

    record: TrialRecord
    sample: Sample
    metrics: Metrics
    experiment: Experiment
    ceiling_rps: float | None

    @property
    def open_loop(self) -> bool:
        return self.record.level.mode == "open"

    @property
    def client_limited(self) -> bool:
        """Then what was answered, and what failed, tells nothing of the server."""
        return self.sample.n_client_limit_in_trial > 0

    @property
    def saturated(self) -> bool:
        if self.client_limited:
            return False
        return self.open_loop and is_saturated(len(self.sample.done_s), self.sample.n_offered)


def _ready(evidence: Evidence) -> CheckMeasurement:
    startup_s = evidence.record.startup_s
    found = Found.CANARY_UNTIMED if startup_s is None else Found.CANARY_ANSWERED
    return CheckMeasurement(False, found, startup_s, unit="s")


def _parity(evidence: Evidence) -> CheckMeasurement:
    parity = evidence.record.parity
    if parity is None and evidence.record.purpose == "calibration":
        return inapplicable(Found.NOT_A_MODEL)
    if parity is None or not parity.checked:
        return CheckMeasurement(True, Found.NEVER_COMPARED)
    wrong = parity.mismatches > 0
    return CheckMeasurement(
        *(wrong, Found.ANSWERS_COMPARED, parity.mismatches, 0, "answers"),
        numbers={"n_checked": parity.checked},
        text=parity.example if wrong else None,
    )


def _replayed(evidence: Evidence) -> CheckMeasurement:
    if not evidence.open_loop:
        return inapplicable(Found.CLOSED_LOOP)
    rows, n_offered = evidence.sample.rows, evidence.metrics.n_offered
    # A server that does not keep up fills the client's connections: that is not the client's fault.
    n_unsent = 0 if evidence.saturated else rows.n_not_sent
    n_wrong = rows.n_missing + rows.n_repeated + n_unsent
    share = n_wrong / max(rows.n_rows, 1)
    expected = (evidence.record.level.rate_rps or 0.0) * evidence.metrics.window_s
    # An overload is made of Poisson arrivals, however those of the experiment come.
    arrivals = Poisson() if evidence.record.overload else evidence.experiment.load.arrivals
    gap_cv = arrivals.gap_cv
    slack = None if gap_cv is None else float(RATE_SIGMAS * gap_cv * np.sqrt(expected) + 1)
    if slack is not None and abs(n_offered - expected) > slack:
        return CheckMeasurement(
            *(True, Found.RATE_NOT_HELD, n_offered, expected - slack, "requests"),
            numbers={"n_expected": expected, "slack": slack},
        )
    return CheckMeasurement(
        *(share > REPLAY_TOLERANCE, Found.REQUESTS_REPLAYED, share, REPLAY_TOLERANCE, "share"),
        numbers={"n_wrong": n_wrong, "n_rows": rows.n_rows},
    )


def _send_lag(evidence: Evidence) -> CheckMeasurement:
    lag_ms = evidence.metrics.send_lag_p99_ms
    if not evidence.open_loop or lag_ms is None:
        return inapplicable(Found.NOTHING_DUE)
    share = SEND_LAG_SHARE_SATURATED if evidence.saturated else SEND_LAG_SHARE
    bound_ms = share * evidence.experiment.slo.latency_ms
    return CheckMeasurement(lag_ms > bound_ms, Found.SEND_LAG, lag_ms, bound_ms, "ms")


def _near_ceiling(evidence: Evidence) -> CheckMeasurement:
    ceiling_rps, offered_rps = evidence.ceiling_rps, evidence.metrics.offered_rps
    if not evidence.open_loop:
        return inapplicable(Found.CLOSED_LOOP)
    if ceiling_rps is None:
        return inapplicable(Found.CEILING_UNKNOWN)
    bound_rps = CEILING_SHARE * ceiling_rps
    return CheckMeasurement(
        *(offered_rps > bound_rps, Found.SHARE_OF_CEILING, offered_rps, bound_rps, "rps"),
        numbers={"ceiling_rps": ceiling_rps},
    )


def _client_limit(evidence: Evidence) -> CheckMeasurement:
    n_failed = evidence.sample.n_client_limit_in_trial
    return CheckMeasurement(n_failed > 0, Found.CLIENT_LIMIT, n_failed, 0, "requests")


def _counts(evidence: Evidence) -> CheckMeasurement:
    server_ok = evidence.sample.counters.get("requests_ok")
    if server_ok is None:
        return inapplicable(Found.SUCCESSES_NOT_COUNTED)
    client_ok = evidence.sample.n_ok_in_trial
    # The server may have answered what the client no longer waited for.
    most = client_ok + evidence.sample.n_unanswered_in_trial
    slack = max(COUNT_TOLERANCE_REQUESTS, COUNT_TOLERANCE * client_ok)
    off = max(client_ok - server_ok, server_ok - most, 0)
    return CheckMeasurement(
        *(off > slack, Found.SUCCESSES_COUNTED, off, slack, "requests"),
        numbers={"n_by_server": server_ok, "n_by_client": client_ok},
    )


def _little(evidence: Evidence) -> CheckMeasurement:
    rows = evidence.sample.rows
    if not evidence.open_loop:
        return inapplicable(Found.CLOSED_LOOP)
    if rows.n_impossible:
        return CheckMeasurement(True, Found.IMPOSSIBLE_TIMES, rows.n_impossible, 0, "requests")
    if rows.little is None:
        return inapplicable(Found.NOTHING_ANSWERED)
    law = rows.little
    return CheckMeasurement(
        *(law.gap > LITTLE_TOLERANCE, Found.REQUESTS_IN_SYSTEM, law.gap, LITTLE_TOLERANCE, "ratio"),
        numbers={"in_system": law.in_system, "rate_times_latency": law.rate_times_latency},
    )


def _drift(evidence: Evidence) -> CheckMeasurement:
    steady_load = evidence.open_loop and evidence.record.overload is None
    if not steady_load or evidence.experiment.load.arrivals.gap_cv is None:
        return inapplicable(Found.LOAD_VARIES)
    if evidence.saturated:
        return inapplicable(Found.SATURATED)
    found = drift(evidence.sample.scheduled_s, evidence.sample.latency_s, evidence.sample.window_s)
    if found is None:
        return inapplicable(Found.TOO_FEW_SUCCESSES)
    return CheckMeasurement(
        *(found.found, Found.LATENCY_BY_HALVES, found.ratio, CHANGE_RATIO, "ratio"),
        numbers={"p_value": found.p_value},
    )


def _throttled(evidence: Evidence) -> CheckMeasurement:
    share = evidence.sample.usage.throttled_ratio
    if share is None:
        return inapplicable(Found.NO_GPU_CLOCKS)
    return CheckMeasurement(
        share > THROTTLED_SHARE, Found.CLOCKS_LOWERED, share, THROTTLED_SHARE, "share"
    )


def _saturated(evidence: Evidence) -> CheckMeasurement:
    if not evidence.open_loop:
        return inapplicable(Found.CLOSED_LOOP)
    if evidence.client_limited:
        return inapplicable(Found.FAILED_BY_CLIENT)
    if not evidence.metrics.n_offered:
        return inapplicable(Found.NOTHING_DUE)
    answered_rps, offered_rps = evidence.metrics.throughput_rps, evidence.metrics.offered_rps
    bound_rps = SATURATED_BELOW * offered_rps
    return CheckMeasurement(
        *(evidence.saturated, Found.RATE_ANSWERED, answered_rps, bound_rps, "rps"),
        numbers={"offered_rps": offered_rps},
    )


def _errors(evidence: Evidence) -> CheckMeasurement:
    if evidence.client_limited:
        return inapplicable(Found.FAILED_BY_CLIENT)
    metrics, budget = evidence.metrics, evidence.experiment.slo.max_error_ratio
    if not metrics.n_offered:
        return inapplicable(Found.NOTHING_DUE)
    share = metrics.error_ratio
    return CheckMeasurement(
        *(share > budget, Found.REQUESTS_FAILED, share, budget, "share"),
        numbers={"n_failed": metrics.n_failed, "n_offered": metrics.n_offered},
    )


def _uncalibrated(evidence: Evidence) -> CheckMeasurement:
    protocol = str(evidence.record.contender["protocol"])
    if evidence.record.purpose == "calibration":
        return inapplicable(Found.IS_CALIBRATION)
    if evidence.ceiling_rps is None:
        return CheckMeasurement(True, Found.NO_CEILING, text=protocol)
    return CheckMeasurement(False, Found.CEILING, evidence.ceiling_rps, unit="rps", text=protocol)


TRIAL_CHECKS: Mapping[Reason, Callable[[Evidence], CheckMeasurement]] = {
    Reason.NOT_READY: _ready,
    Reason.PARITY_BROKEN: _parity,
    Reason.ARRIVALS_NOT_REPLAYED: _replayed,
    Reason.SEND_LAG: _send_lag,
    Reason.CLIENT_NEAR_CEILING: _near_ceiling,
    Reason.CLIENT_LIMIT: _client_limit,
    Reason.COUNTS_DISAGREE: _counts,
    Reason.LITTLES_LAW_VIOLATED: _little,
    Reason.DRIFT: _drift,
    Reason.CLOCKS_THROTTLED: _throttled,
    Reason.MACHINE_DISTURBED: lambda evidence: other_programs(evidence.record),
    Reason.CORES_STOLEN: lambda evidence: other_guests(evidence.record),
    Reason.IDLE_CONTENDERS_BUSY: lambda evidence: idle_contenders(evidence.record),
    Reason.CORE_SLOWED: lambda evidence: core_speed(evidence.record),
    Reason.SATURATED: _saturated,
    Reason.ERRORS: _errors,
    Reason.CLIENT_UNCALIBRATED: _uncalibrated,
}
