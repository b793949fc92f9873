"""May a trial be used, and for what? A closed list of reasons, each with its cause and remedy.

A further reason is a member of Reason, its meaning in MEANINGS and a check in TRIAL_CHECKS.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import Field

from analysis.manifest import Slo
from analysis.metrics import Metrics, least_successes
from analysis.sample import Sample
from analysis.values import Value
from loadtests.records import SEND_LAG_SHARE, TrialRecord

SEND_LAG_SHARE_SATURATED = 1.0
"""SEND_LAG_SHARE for a saturated point: it states no latency, what counts is that load arrived."""

CEILING_SHARE = 0.5
"""Above half of what the client does against a server that answers at once, its own queueing
begins to show in the tail."""

SATURATED_BELOW = 0.95
"""Throughput below this share of the arrival rate: a backlog grows for as long as one waits."""

COUNT_TOLERANCE = 0.001
COUNT_TOLERANCE_REQUESTS = 2
"""Server and client counts may differ by this share, and always by this many: Triton counts a
request after it has sent the reply, so the last ones before a reading may be counted after it."""


class Effect(StrEnum):
    """What a reason does to a point."""

    EXCLUDES = "contender is out"
    INVALIDATES = "not used"
    LIMITS = "limits claims"

    @property
    def unusable(self) -> bool:
        return self is not Effect.LIMITS


class Reason(StrEnum):
    NOT_READY = "not ready"
    PARITY_BROKEN = "parity broken"
    NOT_MEASURED = "not measured"
    SEND_LAG = "send lag"
    CLIENT_NEAR_CEILING = "client near ceiling"
    COUNTS_DISAGREE = "counts disagree"
    SATURATED = "saturated"
    ERRORS = "errors"
    TOO_FEW_REQUESTS = "too few requests"
    CLIENT_UNCALIBRATED = "client uncalibrated"


class Meaning(Value):
    """What a reason says."""

    reason: Reason = Field(description="Name of the reason.")
    effect: Effect = Field(description="What it does to a point.")
    cause: str = Field(description="What happened.")
    remedy: str = Field(description="What to do about it.")


MEANINGS: Mapping[Reason, Meaning] = {
    reason: Meaning(reason=reason, effect=effect, cause=cause, remedy=remedy)
    for reason, effect, cause, remedy in (
        (
            Reason.NOT_READY,
            Effect.EXCLUDES,
            "The contender did not start, did not become ready or did not last the trial.",
            "Read the last lines of its log, mend what they name and run the experiment again.",
        ),
        (
            Reason.PARITY_BROKEN,
            Effect.EXCLUDES,
            "The contender's answers differ from the reference answers, or were never compared.",
            "Find the text given as example and mend the contender: its speed means nothing yet.",
        ),
        (
            Reason.NOT_MEASURED,
            Effect.INVALIDATES,
            "A planned repeat is missing from the run.",
            "Resume it: study run --resume RUN.",
        ),
        (
            Reason.SEND_LAG,
            Effect.INVALIDATES,
            "The load generator sent requests late, so that latency holds delay of its own.",
            "Give it a core of its own or more workers, quiet the machine, or lower the rate.",
        ),
        (
            Reason.CLIENT_NEAR_CEILING,
            Effect.INVALIDATES,
            "The arrival rate is above half of what the load generator itself can do.",
            "Add load generator workers or machines, or lower the rate.",
        ),
        (
            Reason.COUNTS_DISAGREE,
            Effect.INVALIDATES,
            "Server and client do not agree on the number of requests answered.",
            "Look for another client of the same server, a cache or a retry, and run again.",
        ),
        (
            Reason.SATURATED,
            Effect.LIMITS,
            "The server did not keep up with the arrival rate, so latency grew for as long as "
            "the trial lasted: the SLO is not met, and no P99 is stated.",
            "None is needed: this is a finding about the server.",
        ),
        (
            Reason.ERRORS,
            Effect.LIMITS,
            "More requests failed than the SLO allows: the SLO is not met.",
            "Read the server's log; at high rates this is a finding about the server.",
        ),
        (
            Reason.TOO_FEW_REQUESTS,
            Effect.LIMITS,
            "There are too few successes to state the SLO's percentile.",
            "Lengthen the steady state, raise min_requests or add repeats.",
        ),
        (
            Reason.CLIENT_UNCALIBRATED,
            Effect.LIMITS,
            "The client's ceiling for this protocol was not measured.",
            "Add a calibration contender of this protocol to the experiment.",
        ),
    )
}


class Finding(Value):
    """One reason found, with what was measured."""

    reason: Reason = Field(description="Name of the reason; validity_reasons explains it.")
    detail: str = Field(description="What was measured and what was expected.")

    @property
    def meaning(self) -> Meaning:
        return MEANINGS[self.reason]


@dataclass(frozen=True)
class Evidence:
    """What the checks of one completed trial look at. ceiling_rps None: not measured."""

    record: TrialRecord
    sample: Sample
    metrics: Metrics
    slo: Slo
    ceiling_rps: float | None


Check = Callable[[Evidence], str | None]
"""Returns what was found where the reason applies, None where it does not."""


def judge(evidence: Evidence) -> tuple[Finding, ...]:
    """Every reason that applies to a completed trial."""
    found = ((reason, check(evidence)) for reason, check in TRIAL_CHECKS.items())
    return tuple(Finding(reason=reason, detail=detail) for reason, detail in found if detail)


def judge_failure(record: TrialRecord) -> Finding:
    """Why a trial that did not complete says nothing about speed."""
    broken = record.parity is not None and record.parity.mismatches > 0
    return Finding(
        reason=Reason.PARITY_BROKEN if broken else Reason.NOT_READY,
        detail=record.reason or "no reason was recorded",
    )


def judge_sample_size(pooled: Metrics, slo: Slo) -> Finding | None:
    """Whether the merged repeats are too few for the SLO's percentile."""
    needed = least_successes(slo.percentile)
    if pooled.n_ok >= needed:
        return None
    return Finding(
        reason=Reason.TOO_FEW_REQUESTS,
        detail=f"{pooled.n_ok:,} successes, P{slo.percentile:g} needs {needed:,}",
    )


def _parity(evidence: Evidence) -> str | None:
    parity = evidence.record.parity
    if parity is None:
        return "answers were never compared"
    if parity.mismatches == 0:
        return None
    return f"{parity.mismatches} of {parity.checked} answers differ; {parity.example or ''}".strip()


def _send_lag(evidence: Evidence) -> str | None:
    lag_ms = evidence.metrics.send_lag_p99_ms
    share = SEND_LAG_SHARE_SATURATED if _saturated(evidence) else SEND_LAG_SHARE
    bound_ms = share * evidence.slo.latency_ms
    if evidence.record.level.mode == "closed" or lag_ms is None or lag_ms <= bound_ms:
        return None
    return f"P99 send lag {lag_ms:.1f} ms, bound {bound_ms:g} ms"


def _near_ceiling(evidence: Evidence) -> str | None:
    ceiling_rps = evidence.ceiling_rps
    if ceiling_rps is None or evidence.record.level.mode == "closed":
        return None
    offered_rps = evidence.metrics.offered_rps
    if offered_rps <= CEILING_SHARE * ceiling_rps:
        return None
    return f"{offered_rps:,.0f} rps offered, ceiling {ceiling_rps:,.0f} rps"


def _counts(evidence: Evidence) -> str | None:
    server_ok = evidence.sample.counters.get("requests_ok")
    if server_ok is None:
        return None
    client_ok = evidence.sample.n_ok_in_trial
    # The server may have answered what the client no longer waited for.
    most = client_ok + evidence.sample.n_unanswered_in_trial
    slack = max(COUNT_TOLERANCE_REQUESTS, COUNT_TOLERANCE * client_ok)
    if client_ok - slack <= server_ok <= most + slack:
        return None
    return f"server counts {server_ok:,} successes, client {client_ok:,}"


def _saturated(evidence: Evidence) -> str | None:
    metrics = evidence.metrics
    if evidence.record.level.mode == "closed":
        return None
    if metrics.throughput_rps >= SATURATED_BELOW * metrics.offered_rps:
        return None
    return f"{metrics.throughput_rps:,.0f} rps answered of {metrics.offered_rps:,.0f} rps offered"


def _errors(evidence: Evidence) -> str | None:
    metrics, budget = evidence.metrics, evidence.slo.max_error_ratio
    if metrics.error_ratio <= budget:
        return None
    return f"{metrics.n_failed:,} of {metrics.n_offered:,} failed, the SLO allows {budget:.2%}"


def _uncalibrated(evidence: Evidence) -> str | None:
    if evidence.ceiling_rps is not None:
        return None
    return f"no calibration for {evidence.record.contender['protocol']}"


TRIAL_CHECKS: Mapping[Reason, Check] = {
    Reason.PARITY_BROKEN: _parity,
    Reason.SEND_LAG: _send_lag,
    Reason.CLIENT_NEAR_CEILING: _near_ceiling,
    Reason.COUNTS_DISAGREE: _counts,
    Reason.SATURATED: _saturated,
    Reason.ERRORS: _errors,
    Reason.CLIENT_UNCALIBRATED: _uncalibrated,
}
