"""The certificate of a trial: every check with what was measured, its bound and its outcome."""

from enum import StrEnum

from pydantic import Field

from analysis.read.value import Value
from analysis.validity.checks import TRIAL_CHECKS, Evidence
from analysis.validity.found import CheckMeasurement, Found
from analysis.validity.reasons import Reason
from loadtests.records.percentiles import least_successes
from loadtests.records.trials import TrialRecord

LEAST_MEMORIES = 8.0


class CheckOutcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"


class Check(Value):
    """One line of a certificate."""

    reason: Reason = Field(
        description="The reason that is ruled out, or found; one of validity_reasons."
    )
    outcome: CheckOutcome = Field(description="What came of it.")
    found: Found = Field(
        description="What was compared, or why the check does not apply: a code of "
        "analysis/validity/found.py."
    )
    measured: float | None = Field(default=None, description="What was measured; null: nothing.")
    bound: float | None = Field(default=None, description="Bound on that; null: none in numbers.")
    unit: str = Field(default="", description="Unit of both.")
    numbers: dict[str, float] = Field(
        default={}, description="What else was counted or measured, by name."
    )
    text: str | None = Field(
        default=None,
        description="As recorded: why a trial failed, an answer that differs, or the protocol or "
        "contender that is meant; null: nothing.",
    )

    @property
    def failed(self) -> bool:
        return self.outcome is CheckOutcome.FAILED


def certify(evidence: Evidence) -> list[Check]:
    """Every check of a completed trial, in the order of TRIAL_CHECKS."""
    return [as_check(reason, check(evidence)) for reason, check in TRIAL_CHECKS.items()]


def certify_failure(record: TrialRecord) -> list[Check]:
    """Why a trial that did not complete says nothing about speed."""
    broken = record.parity is not None and record.parity.mismatches > 0
    reason = Reason.PARITY_BROKEN if broken else Reason.NOT_READY
    if record.client_failed:
        reason = Reason.NOT_MEASURED
    return [as_check(reason, CheckMeasurement(True, Found.TRIAL_FAILED, text=record.reason))]


def certify_sample_size(n_ok: int, percentile: float) -> Check:
    """Whether the merged slices are enough for the SLO's percentile."""
    needed = least_successes(percentile)
    found = CheckMeasurement(
        *(n_ok < needed, Found.SUCCESSES_NEEDED, n_ok, needed, "successes"),
        numbers={"percentile": percentile},
    )
    return as_check(Reason.TOO_FEW_REQUESTS, found)


def certify_length(n_ok: int, n_slices: int, memory: float) -> Check:
    """Whether slices last so much longer than their queue remembers that a P99 is no lower bound.

    memory: how many waits count as one within a slice (loadtests.records.slo.memory). A slice
    begins with an empty queue. LEAST_MEMORIES marks nearly all rates at 95 % load, where a
    simulated P99 is 11 to 23 % too low, and hardly any up to 80 % (docs/selfcheck.md).
    """
    n_memories = n_ok / n_slices / memory
    found = CheckMeasurement(
        *(n_memories < LEAST_MEMORIES, Found.QUEUE_MEMORIES, n_memories, LEAST_MEMORIES, "times")
    )
    return as_check(Reason.SLICES_TOO_SHORT, found)


def certify_measured(n_slices: int) -> Check:
    """Whether a planned point was measured at all."""
    found = CheckMeasurement(n_slices < 1, Found.SLICES, n_slices, 1, "slices")
    return as_check(Reason.NOT_MEASURED, found)


def as_check(reason: Reason, measurement: CheckMeasurement) -> Check:
    outcomes = {
        None: CheckOutcome.NOT_APPLICABLE,
        True: CheckOutcome.FAILED,
        False: CheckOutcome.PASSED,
    }
    outcome = outcomes[measurement.failed]
    fields = {name: value for name, value in vars(measurement).items() if name != "failed"}
    return Check(reason=reason, outcome=outcome, **fields)
