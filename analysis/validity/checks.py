"""The checks of a trial: each compares what was measured with a bound and says whether it holds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from analysis.steady.drift import CHANGE_RATIO, drift
from analysis.steady.metrics import Metrics
from analysis.steady.steady_state import Sample
from analysis.validity.reasons import Reason
from loadtests.records.disturbance import bound_share, disturbed, foreign_in_words
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

NOT_THE_SERVERS = "requests failed on the client's side"


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


@dataclass(frozen=True)
class CheckMeasurement:
    """What a check found: failed None means that it does not apply, and detail why."""

    failed: bool | None
    detail: str
    measured: float | None = None
    bound: float | None = None
    unit: str = ""


def _ready(evidence: Evidence) -> CheckMeasurement:
    startup_s = evidence.record.startup_s
    took = "" if startup_s is None else f", {startup_s:.1f} s after its start"
    return CheckMeasurement(False, f"a canary inference was answered{took}", startup_s, unit="s")


def _parity(evidence: Evidence) -> CheckMeasurement:
    parity = evidence.record.parity
    if parity is None and evidence.record.purpose == "calibration":
        return CheckMeasurement(None, "a calibration server runs no model")
    if parity is None or not parity.checked:
        return CheckMeasurement(True, "answers were never compared")
    detail = f"{parity.mismatches} of {parity.checked} answers differ"
    example = f"; {parity.example}" if parity.mismatches and parity.example else ""
    return CheckMeasurement(
        parity.mismatches > 0, detail + example, parity.mismatches, 0, "answers"
    )


def _replayed(evidence: Evidence) -> CheckMeasurement:
    if not evidence.open_loop:
        return CheckMeasurement(None, "a closed loop has no schedule")
    rows, n_offered = evidence.sample.rows, evidence.metrics.n_offered
    # A server that does not keep up fills the client's connections: that is not the client's fault.
    n_unsent = 0 if evidence.saturated else rows.n_not_sent
    n_wrong = rows.n_missing + rows.n_repeated + n_unsent
    share = n_wrong / max(rows.n_rows, 1)
    expected = (evidence.record.level.rate_rps or 0.0) * evidence.metrics.window_s
    gap_cv = evidence.experiment.load.arrivals.gap_cv
    slack = None if gap_cv is None else RATE_SIGMAS * gap_cv * np.sqrt(expected) + 1
    if slack is not None and abs(n_offered - expected) > slack:
        detail = f"{n_offered:,} requests scheduled, {expected:,.0f} expected, give or take"
        return CheckMeasurement(
            True, f"{detail} {slack:,.0f}", n_offered, expected - slack, "requests"
        )
    detail = f"{n_wrong:,} of {rows.n_rows:,} requests lost, doubled or never sent"
    return CheckMeasurement(share > REPLAY_TOLERANCE, detail, share, REPLAY_TOLERANCE, "share")


def _send_lag(evidence: Evidence) -> CheckMeasurement:
    lag_ms = evidence.metrics.send_lag_p99_ms
    if not evidence.open_loop or lag_ms is None:
        return CheckMeasurement(None, "nothing was due at a set time")
    share = SEND_LAG_SHARE_SATURATED if evidence.saturated else SEND_LAG_SHARE
    bound_ms = share * evidence.experiment.slo.latency_ms
    detail = f"P99 send lag {lag_ms:.1f} ms, bound {bound_ms:g} ms"
    return CheckMeasurement(lag_ms > bound_ms, detail, lag_ms, bound_ms, "ms")


def _near_ceiling(evidence: Evidence) -> CheckMeasurement:
    ceiling_rps, offered_rps = evidence.ceiling_rps, evidence.metrics.offered_rps
    if not evidence.open_loop:
        return CheckMeasurement(None, "a closed loop has no arrival rate")
    if ceiling_rps is None:
        return CheckMeasurement(None, "the ceiling was not measured")
    bound_rps = CEILING_SHARE * ceiling_rps
    detail = f"{offered_rps:,.0f} rps offered, ceiling {ceiling_rps:,.0f} rps"
    return CheckMeasurement(offered_rps > bound_rps, detail, offered_rps, bound_rps, "rps")


def _client_limit(evidence: Evidence) -> CheckMeasurement:
    n_failed = evidence.sample.n_client_limit_in_trial
    detail = f"{n_failed:,} requests failed for want of something on the client's side"
    return CheckMeasurement(n_failed > 0, detail, n_failed, 0, "requests")


def _counts(evidence: Evidence) -> CheckMeasurement:
    server_ok = evidence.sample.counters.get("requests_ok")
    if server_ok is None:
        return CheckMeasurement(None, "the server does not count its answers")
    client_ok = evidence.sample.n_ok_in_trial
    # The server may have answered what the client no longer waited for.
    most = client_ok + evidence.sample.n_unanswered_in_trial
    slack = max(COUNT_TOLERANCE_REQUESTS, COUNT_TOLERANCE * client_ok)
    off = max(client_ok - server_ok, server_ok - most, 0)
    detail = f"server counts {server_ok:,} successes, client {client_ok:,}"
    return CheckMeasurement(off > slack, detail, off, slack, "requests")


def _little(evidence: Evidence) -> CheckMeasurement:
    rows = evidence.sample.rows
    if not evidence.open_loop:
        return CheckMeasurement(None, "a closed loop has no schedule to count by")
    if rows.n_impossible:
        detail = f"{rows.n_impossible:,} requests sent before their time or done before sent"
        return CheckMeasurement(True, detail, rows.n_impossible, 0, "requests")
    if rows.little is None:
        return CheckMeasurement(None, "nothing was answered")
    law = rows.little
    detail = f"{law.in_system:.2f} requests in the system, {law.rate_times_latency:.2f} by the law"
    return CheckMeasurement(law.gap > LITTLE_TOLERANCE, detail, law.gap, LITTLE_TOLERANCE, "ratio")


def _drift(evidence: Evidence) -> CheckMeasurement:
    if not evidence.open_loop or evidence.experiment.load.arrivals.gap_cv is None:
        return CheckMeasurement(None, "the load itself varies")
    if evidence.saturated:
        return CheckMeasurement(None, "latency must rise where a server does not keep up")
    found = drift(evidence.sample.scheduled_s, evidence.sample.latency_s, evidence.sample.window_s)
    if found is None:
        return CheckMeasurement(None, "too few successes to tell")
    detail = f"median latency {found.ratio:.2f} times as long in the second half, "
    detail += f"trend p = {found.p_value:.2g}"
    return CheckMeasurement(found.found, detail, found.ratio, CHANGE_RATIO, "ratio")


def _throttled(evidence: Evidence) -> CheckMeasurement:
    share = evidence.sample.usage.throttled_ratio
    if share is None:
        return CheckMeasurement(None, "no GPU reports its clocks")
    detail = f"clocks lowered in {share:.1%} of the samples"
    return CheckMeasurement(share > THROTTLED_SHARE, detail, share, THROTTLED_SHARE, "share")


def _disturbed(evidence: Evidence) -> CheckMeasurement:
    attempts, cores = evidence.record.attempts_foreign_share, evidence.record.cores
    shares = attempts[-1] if attempts else {}
    known = {side: share for side, share in shares.items() if share is not None}
    if not known:
        return CheckMeasurement(None, "what others had of the cores was not recorded")
    detail = f"others had {foreign_in_words(shares)}"
    share, bound = max(
        ((share, bound_share(len(cores[side]))) for side, share in known.items()),
        key=lambda found: found[0] / found[1],
    )
    return CheckMeasurement(
        disturbed(shares, cores), f"{detail}, bound {bound:.1%}", share, bound, "share"
    )


def _saturated(evidence: Evidence) -> CheckMeasurement:
    if not evidence.open_loop:
        return CheckMeasurement(None, "a closed loop cannot outrun its server")
    if evidence.client_limited:
        return CheckMeasurement(None, NOT_THE_SERVERS)
    if not evidence.metrics.n_offered:
        return CheckMeasurement(None, "nothing was asked")
    answered_rps, offered_rps = evidence.metrics.throughput_rps, evidence.metrics.offered_rps
    detail = f"{answered_rps:,.0f} rps answered of {offered_rps:,.0f} rps offered"
    bound_rps = SATURATED_BELOW * offered_rps
    return CheckMeasurement(evidence.saturated, detail, answered_rps, bound_rps, "rps")


def _errors(evidence: Evidence) -> CheckMeasurement:
    if evidence.client_limited:
        return CheckMeasurement(None, NOT_THE_SERVERS)
    metrics, budget = evidence.metrics, evidence.experiment.slo.max_error_ratio
    if not metrics.n_offered:
        return CheckMeasurement(None, "nothing was asked")
    detail = f"{metrics.n_failed:,} of {metrics.n_offered:,} failed, the SLO allows {budget:.2%}"
    return CheckMeasurement(
        metrics.error_ratio > budget, detail, metrics.error_ratio, budget, "share"
    )


def _uncalibrated(evidence: Evidence) -> CheckMeasurement:
    protocol = evidence.record.contender["protocol"]
    if evidence.record.purpose == "calibration":
        return CheckMeasurement(None, "this is the calibration")
    if evidence.ceiling_rps is None:
        return CheckMeasurement(True, f"no calibration for {protocol}")
    detail = f"ceiling {evidence.ceiling_rps:,.0f} rps for {protocol}"
    return CheckMeasurement(False, detail, evidence.ceiling_rps, unit="rps")


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
    Reason.MACHINE_DISTURBED: _disturbed,
    Reason.SATURATED: _saturated,
    Reason.ERRORS: _errors,
    Reason.CLIENT_UNCALIBRATED: _uncalibrated,
}
