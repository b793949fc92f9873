"""Every trial with what it measured and its certificate."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import geometric_mean

from pydantic import Field

from analysis.read.run import Run, Trial
from analysis.read.value import Value
from analysis.steady.metrics import Metrics, measure
from analysis.steady.sample import Sample, take_sample
from analysis.validity.certificate import Check, certify, certify_failure
from analysis.validity.checks import Evidence
from analysis.validity.reasons import CLIENTS_FAULT, OF_THE_MACHINE, Reason
from loadtests.records.disturbance import was_disturbed
from loadtests.records.experiment import Experiment
from loadtests.records.trials import CEILING_SHARE, MachineState, Mode, Purpose


class Ceiling(Value):
    """What the load generator reaches against a server that answers at once."""

    protocol: str = Field(description="Wire protocol.")
    contender: str = Field(description="The server that answers at once.")
    ceiling_rps: float = Field(description="Successes per second of the closed loop.")
    highest_valid_rate_rps: float = Field(description="Arrival rates above this are not used.")
    latency_p50_ms: float | None = Field(
        description="P50 of the time from sending to the reply: the least that this client and "
        "protocol take, with as many callers as the calibration has."
    )


class TrialResult(Value):
    """One trial."""

    trial_id: str = Field(description="Name of the trial.")
    purpose: Purpose = Field(
        description="measurement (at a rate common to all), search (at one of its own), noise "
        "(the second run of the A/A test), overload (its steady state is beyond capacity) or "
        "calibration."
    )
    contender: str = Field(description="Name of the contender.")
    level: str = Field(description="Name of the load level.")
    mode: Mode = Field(description="open (arrival rate) or closed (callers).")
    rate_rps: float | None = Field(description="Arrival rate; null in the closed loop.")
    concurrency: int | None = Field(description="Callers; null in the open loop.")
    repeat: int = Field(description="Number of its round, from 1.")
    order: int = Field(description="Position in the run.")
    completed: bool = Field(description="False: it failed, and its certificate says why.")
    startup_s: float | None = Field(description="Time from start to the first right answer.")
    started_at: str = Field(description="When its warm-up began; empty: not noted.")
    machine: MachineState | None = Field(
        description="What the machine did around it; null: it was not watched."
    )
    metrics: Metrics | None = Field(description="What it measured; null: it failed.")
    certificate: list[Check] = Field(description="Every check that a trial of its kind must pass.")

    @property
    def findings(self) -> list[Check]:
        return [check for check in self.certificate if check.failed]

    @property
    def usable(self) -> bool:
        return not any(finding.reason.unusable for finding in self.findings)

    @property
    def server_may_be_at_fault(self) -> bool:
        """True for a trial that is unusable for a reason which the server may have caused."""
        return any(
            finding.reason.unusable and finding.reason not in CLIENTS_FAULT
            for finding in self.findings
        )

    @property
    def disturbed(self) -> bool:
        """True where the machine was disturbed."""
        return any(finding.reason in OF_THE_MACHINE for finding in self.findings)

    @property
    def only_drifted(self) -> bool:
        """True where drift alone makes it unusable: its rows are right, but not steady."""
        unusable = {f.reason for f in self.findings if f.reason.unusable}
        return unusable == {Reason.DRIFT}

    @property
    def slowness_us(self) -> float | None:
        """Geometric mean of what the fixed pieces of work took during the slice; None: the machine
        was not watched."""
        work_us = self.machine.work_us if self.machine else {}
        return geometric_mean(list(work_us.values())) if work_us else None

    @property
    def saturated(self) -> bool:
        return any(finding.reason is Reason.SATURATED for finding in self.findings)


@dataclass(frozen=True)
class JudgedTrial:
    """A trial's result and the rows behind it; sample None: it failed."""

    result: TrialResult
    sample: Sample | None


def ceilings(run: Run) -> list[Ceiling]:
    """The client's ceiling for each protocol that was calibrated."""
    found: dict[str, Ceiling] = {}
    for trial in run.having("calibration"):
        # A disturbed client does less than it can: such a ceiling would condemn sound trials.
        if not trial.completed or was_disturbed(trial.record):
            continue
        protocol = str(trial.record.contender["protocol"])
        metrics = measure([take_sample(trial)], run.manifest.experiment.slo)
        found[protocol] = Ceiling(
            protocol=protocol,
            contender=trial.record.contender_name,
            ceiling_rps=metrics.throughput_rps,
            highest_valid_rate_rps=CEILING_SHARE * metrics.throughput_rps,
            latency_p50_ms=metrics.service_time_p50_ms,
        )
    return list(found.values())


def judge_trials(run: Run, found_ceilings: list[Ceiling]) -> list[JudgedTrial]:
    """Every trial of the run, judged, in the order in which they were made."""
    by_protocol = {ceiling.protocol: ceiling.ceiling_rps for ceiling in found_ceilings}
    ordered = sorted(run.trials, key=lambda t: (t.record.order, t.record.trial_id))
    return [_judged(trial, run.manifest.experiment, by_protocol) for trial in ordered]


def _judged(
    trial: Trial, experiment: Experiment, ceiling_by_protocol: Mapping[str, float]
) -> JudgedTrial:
    record = trial.record
    sample = take_sample(trial) if trial.completed else None
    metrics = measure([sample], experiment.slo) if sample else None
    if sample is None or metrics is None:
        certificate = certify_failure(record)
    else:
        ceiling_rps = ceiling_by_protocol.get(str(record.contender["protocol"]))
        certificate = certify(Evidence(record, sample, metrics, experiment, ceiling_rps))
    result = TrialResult(
        trial_id=record.trial_id,
        purpose=record.purpose,
        contender=record.contender_name,
        level=record.level.label,
        mode=record.level.mode,
        rate_rps=record.level.rate_rps,
        concurrency=record.level.concurrency,
        repeat=record.repeat,
        order=record.order,
        completed=trial.completed,
        startup_s=record.startup_s,
        started_at=record.started_at,
        machine=record.machine,
        metrics=metrics,
        certificate=certificate,
    )
    if result.saturated and metrics:
        result = result.model_copy(update={"metrics": metrics.without_latency()})
    return JudgedTrial(result, sample)
