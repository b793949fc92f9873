"""The certificate of a trial: every check with what was measured, its bound and its outcome."""

from enum import StrEnum

from pydantic import Field

from analysis.read.value import Value
from analysis.steady.metrics import least_successes
from analysis.validity.checks import TRIAL_CHECKS, CheckMeasurement, Evidence
from analysis.validity.reasons import MEANINGS, Finding, Meaning, Reason
from loadtests.records.trials import TrialRecord


class CheckOutcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"


class Check(Value):
    """One line of a certificate."""

    reason: Reason = Field(description="The reason that is ruled out, or found.")
    outcome: CheckOutcome = Field(description="passed, failed or not applicable.")
    measured: float | None = Field(default=None, description="What was measured; null: nothing.")
    bound: float | None = Field(default=None, description="Bound on that; null: none in numbers.")
    unit: str = Field(default="", description="Unit of both.")
    detail: str = Field(description="What was measured and what was expected, or why not.")

    @property
    def meaning(self) -> Meaning:
        return MEANINGS[self.reason]

    @property
    def failed(self) -> bool:
        return self.outcome is CheckOutcome.FAILED

    @property
    def finding(self) -> Finding:
        return Finding(reason=self.reason, detail=self.detail)


def certify(evidence: Evidence) -> list[Check]:
    """Every check of a completed trial, in the order of TRIAL_CHECKS."""
    return [as_check(reason, check(evidence)) for reason, check in TRIAL_CHECKS.items()]


def certify_failure(record: TrialRecord) -> list[Check]:
    """Why a trial that did not complete says nothing about speed."""
    broken = record.parity is not None and record.parity.mismatches > 0
    reason = Reason.PARITY_BROKEN if broken else Reason.NOT_READY
    if record.client_failed:
        reason = Reason.NOT_MEASURED
    detail = record.reason or "no reason was recorded"
    return [Check(reason=reason, outcome=CheckOutcome.FAILED, detail=detail)]


def certify_sample_size(n_ok: int, percentile: float) -> Check:
    """Whether the merged repeats are enough for the SLO's percentile."""
    needed = least_successes(percentile)
    detail = f"{n_ok:,} successes, P{percentile:g} needs {needed:,}"
    found = CheckMeasurement(n_ok < needed, detail, n_ok, needed, "successes")
    return as_check(Reason.TOO_FEW_REQUESTS, found)


def certify_repeats(n_repeats: int, n_planned: int) -> Check:
    """Whether every planned repeat is there."""
    detail = f"{n_repeats} of {n_planned} repeats"
    found = CheckMeasurement(n_repeats < n_planned, detail, n_repeats, n_planned, "repeats")
    return as_check(Reason.NOT_MEASURED, found)


def as_check(reason: Reason, found: CheckMeasurement) -> Check:
    outcomes = {
        None: CheckOutcome.NOT_APPLICABLE,
        True: CheckOutcome.FAILED,
        False: CheckOutcome.PASSED,
    }
    return Check(
        reason=reason,
        outcome=outcomes[found.failed],
        measured=found.measured,
        bound=found.bound,
        unit=found.unit,
        detail=found.detail,
    )
