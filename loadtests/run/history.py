"""What a run knows so far: its finished slices, read from disk, and what they say of each SLO."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from loadtests.plan.adapt import SeenSlice
from loadtests.records.disturbance import was_disturbed
from loadtests.records.experiment import Slo
from loadtests.records.percentiles import in_ms, nearest_rank
from loadtests.records.run_trials import RunTables, read_trials
from loadtests.records.running_totals import growth_within
from loadtests.records.slo import SloOutcome, pooled_outcome
from loadtests.records.steady_state import SteadyState, steady_state
from loadtests.records.trials import CEILING_SHARE, CLIENT_LIMIT, SEND_LAG_SHARE, TrialRecord
from loadtests.spec.experiment import Experiment

Trial = tuple[TrialRecord, pd.DataFrame]
"""A completed slice and its rows, as loadtests.records.run_trials.RunTables gives them."""


@dataclass
class History:
    """Every finished slice of a run. A run that was killed goes on from here, because nothing else
    decides where it stands."""

    folder: Path
    experiment: Experiment
    records: dict[str, TrialRecord] = field(default_factory=dict)
    _seen: dict[str, list[SeenSlice]] = field(default_factory=dict)
    _ceilings_rps: dict[str, float] = field(default_factory=dict)

    @cached_property
    def _tables(self) -> RunTables:
        return RunTables(self.folder)

    @classmethod
    def read(cls, folder: Path, experiment: Experiment, run_id: str | None = None) -> "History":
        history = cls(folder, experiment)
        for record in sorted(read_trials(folder, run_id).values(), key=lambda each: each.order):
            history.add(record)
        return history

    @property
    def last_round(self) -> int:
        """0: none has begun."""
        return max((r.repeat for r in self._of_rounds()), default=0)

    def made_in(self, number: int) -> set[str]:
        """The contenders that have had their slice of a round."""
        return {r.contender_name for r in self._of_rounds() if r.repeat == number}

    def _of_rounds(self) -> list[TrialRecord]:
        apart = ("calibration", "overload")
        return [r for r in self.records.values() if r.purpose not in apart]

    @property
    def next_order(self) -> int:
        """After the last slice that is there, however many failed ones a resumed run has
        removed."""
        return 1 + max((record.order for record in self.records.values()), default=0)

    @property
    def probes_ms(self) -> list[float]:
        """How long the fixed piece of work took before each slice."""
        states = (record.machine for record in self.records.values())
        return [state.probe_ms for state in states if state and state.probe_ms]

    def add(self, record: TrialRecord) -> None:
        """Adds a slice that was saved."""
        self.records[record.trial_id] = record
        if record.status != "completed":
            return
        if record.purpose == "calibration" and not was_disturbed(record):
            protocol = str(record.contender["protocol"])
            trial = record, self._tables.requests(record)
            self._ceilings_rps[protocol] = steady_of(trial).throughput_rps
        elif record.purpose in ("measurement", "search") and record.level.rate_rps is not None:
            trial = record, self._tables.requests(record)
            seen = self._seen_slice(trial, record.level.rate_rps)
            self._seen.setdefault(record.contender_name, []).append(seen)

    def seen(self, contender: str) -> Sequence[SeenSlice]:
        """Its open-loop slices, in the order in which they were made."""
        return self._seen.get(contender, ())

    def is_out(self, contender: str) -> bool:
        """Whether no further slice of it would be used, because it gave wrong answers, never
        started, or failed twice in a row. That the load generator failed is not its fault."""
        made = (r for r in self.records.values() if r.contender_name == contender)
        own = [r for r in made if not r.client_failed]
        wrong = any(r.parity is not None and r.parity.mismatches > 0 for r in own)
        failed = [r.status == "failed" for r in own]
        never_up = bool(own) and all(failed) and own[0].startup_s is None
        return wrong or never_up or (len(own) > 1 and all(failed[-2:]))

    def to_be_made_again(self, record: TrialRecord) -> bool:
        """Whether the machine or the client spoilt it. This is judged before any latency is seen,
        so that making it again cannot choose results."""
        if record.client_failed:
            return True
        if record.status != "completed" or record.level.mode != "open":
            return False
        late = (record.send_lag_p99_ms or 0.0) > SEND_LAG_SHARE * self.experiment.slo.latency_ms
        return late or was_disturbed(record)

    def highest_valid_rps(self, protocol: str) -> float:
        """The rate up to which the client's own queueing stays out of the latency; infinite where
        the protocol was not calibrated."""
        return CEILING_SHARE * self._ceilings_rps.get(protocol, math.inf)

    def _seen_slice(self, trial: Trial, rate_rps: float) -> SeenSlice:
        record, rows = trial
        phases = record.phases
        assert phases is not None  # every completed slice has them
        if was_disturbed(record) or spoilt_by_client(record, rows, self.experiment.slo):
            return SeenSlice(rate_rps, ())
        steady, telemetry = steady_of(trial), self._tables.telemetry(record)
        end_s = phases.warmup_s + phases.steady_s
        cpu_s = growth_within(telemetry, "server_cpu_s", phases.warmup_s, end_s)
        n_done = len(steady.done_s)
        return SeenSlice(
            rate_rps,
            tuple(slo_outcome([trial], slo) for slo in self.experiment.slos),
            cpu_s / n_done if cpu_s is not None and n_done else None,
            in_ms(nearest_rank(steady.latency_s, 50)),
        )


def spoilt_by_client(record: TrialRecord, rows: pd.DataFrame, slo: Slo) -> bool:
    """Whether the load generator was late, or ran out of something."""
    lag_ms = record.send_lag_p99_ms
    late = lag_ms is None or lag_ms > SEND_LAG_SHARE * slo.latency_ms
    return late or bool((rows["status"] == CLIENT_LIMIT).any())


def slo_outcome(trials: Sequence[Trial], slo: Slo) -> SloOutcome:
    """Whether the merged requests of slices at one rate met the SLO."""
    return pooled_outcome([steady_of(trial) for trial in trials], slo)


def steady_of(trial: Trial) -> SteadyState:
    record, rows = trial
    assert record.phases is not None  # every completed slice has them
    return steady_state(rows, record.phases)
