"""What a run knows so far: its finished trials, read from disk, and what they say of each SLO."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from loadtests.plan.rounds import AROUND_TRIAL_S, Starts
from loadtests.records.disturbance import was_disturbed
from loadtests.records.experiment import Slo
from loadtests.records.run_trials import RunTables, read_trials
from loadtests.records.slo import SloOutcome, miss_is_proven, pooled_outcome
from loadtests.records.steady_state import SteadyState, steady_state
from loadtests.records.trials import (
    CEILING_SHARE,
    CLIENT_LIMIT,
    SEND_LAG_SHARE,
    TrialRecord,
)
from loadtests.spec.experiment import Experiment

MOST_WINDOWS = 3
"""Steady states at one rate, of which one that missed the SLO is outvoted by the others."""

Trial = tuple[TrialRecord, pd.DataFrame]
"""A completed trial and its rows, as loadtests.records.run_trials.RunTables gives them."""


@dataclass
class History:
    """Every finished trial of a run. A search that was killed goes on from here, because nothing
    else decides where it stands."""

    folder: Path
    experiment: Experiment
    records: dict[str, TrialRecord] = field(default_factory=dict)
    _trials: dict[tuple[str, float], list[Trial]] = field(default_factory=dict)
    _judged: dict[tuple[str, float], list[tuple[bool | None, bool]]] = field(default_factory=dict)
    _ceilings_rps: dict[str, float] = field(default_factory=dict)

    @cached_property
    def _tables(self) -> RunTables:
        return RunTables(self.folder)

    @classmethod
    def read(cls, folder: Path, experiment: Experiment, run_id: str | None = None) -> "History":
        history = cls(folder, experiment)
        for record in read_trials(folder, run_id).values():
            history.add(record)
        return history

    def add(self, record: TrialRecord) -> None:
        """Takes note of a trial that was saved."""
        self.records[record.trial_id] = record
        # Later repeats do not count: a resumed run must search as if it had not been stopped.
        first_repeat = record.purpose == "measurement" and record.repeat == 1
        if record.status != "completed" or not (
            first_repeat or record.purpose in ("search", "calibration")
        ):
            return
        rows = self._tables.requests(record)
        if record.level.rate_rps is not None:
            key = record.contender_name, record.level.rate_rps
            trials = self._trials.setdefault(key, [])
            trials.append((record, rows))
            self._judged[key] = [
                (slo_met(trials, slo), missed_in_doubt(trials, slo)) for slo in self.experiment.slos
            ]
        elif record.purpose == "calibration" and not was_disturbed(record):
            protocol = str(record.contender["protocol"])
            self._ceilings_rps[protocol] = steady_of((record, rows)).throughput_rps

    def answers(self, contender: str) -> list[tuple[dict[float, bool | None], set[float]]]:
        """For each SLO, by rate that was probed: whether it was met (None: it cannot be told); and
        the rates that only one window missed, to be probed again.

        A rate's probes and its first repeat are judged together."""
        judged = {rate: found for (name, rate), found in self._judged.items() if name == contender}
        return [
            (
                {rate: found[k][0] for rate, found in judged.items()},
                {rate for rate, found in judged.items() if found[k][1]},
            )
            for k in range(len(self.experiment.slos))
        ]

    def n_probes(self, contender: str, rate_rps: float) -> int:
        """How often the search has probed this rate."""
        trials = self._trials.get((contender, rate_rps), [])
        return sum(record.purpose == "search" for record, _ in trials)

    def spent_s(self) -> float:
        """What the trials so far have used of the budget of time, calibration apart."""
        records = [r for r in self.records.values() if r.purpose != "calibration"]
        sessions = {(r.purpose, r.contender_name, r.repeat): r.startup_s or 0.0 for r in records}
        return sum(sessions.values()) + sum(_length_s(record) for record in records)

    def searched(self) -> set[str]:
        """The contenders whose search has ended: the first repeat was made, or they are out."""
        first = {r.contender_name for r in self.records.values() if r.repeat == 1}
        probed = {r.contender_name for r in self.records.values() if r.purpose == "search"}
        return {name for name in probed if name in first or self.is_out(name)}

    def starts(self) -> Starts:
        """How long starts took, by the slowest one of each contender."""
        seen_s: dict[str, float] = {}
        for record in self.records.values():
            if record.startup_s is not None and record.purpose != "calibration":
                name = record.contender_name
                seen_s[name] = max(record.startup_s, seen_s.get(name, 0.0))
        return Starts(seen_s)

    def never_served(self, contender: str) -> bool:
        """Whether there are trials of this contender, and every one of them failed."""
        status = {r.status for r in self.records.values() if r.contender_name == contender}
        return status == {"failed"}

    def is_out(self, contender: str) -> bool:
        """Whether a probe failed or gave other answers: then there is nothing to search for."""
        return any(
            record.status == "failed"
            or (record.parity is not None and record.parity.mismatches > 0)
            for record in self.records.values()
            if record.purpose == "search" and record.contender_name == contender
        )

    def highest_valid_rps(self, protocol: str) -> float:
        """The rate up to which the client's own queueing stays out of the latency; infinite where
        the protocol was not calibrated."""
        return CEILING_SHARE * self._ceilings_rps.get(protocol, math.inf)


def slo_met(trials: Sequence[Trial], slo: Slo) -> bool | None:
    """Whether the requests of trials at one rate met the SLO; None where late clients or a
    disturbed machine leave it open.

    One window that missed it among MOST_WINDOWS is taken for noise of the machine. What a late
    client measured is partly its own delay. It proves only that the SLO was not met, and only where
    the server missed it even counted from the time of sending. A disturbed trial proves nothing.
    """
    on_time = _sent_within(trials, SEND_LAG_SHARE * slo.latency_ms)
    if on_time:
        outvoted = len(on_time) >= MOST_WINDOWS and not miss_is_proven(_windows(on_time, slo))
        return outvoted or slo_outcome(on_time, slo).met
    late = _sent_within(trials, slo.latency_ms)
    return False if late and not slo_outcome(late, slo, from_sending=True).met else None


def missed_in_doubt(trials: Sequence[Trial], slo: Slo) -> bool:
    """Whether the SLO was missed in one window at this rate that further ones might outvote."""
    on_time = _sent_within(trials, SEND_LAG_SHARE * slo.latency_ms)
    if not on_time or len(trials) >= MOST_WINDOWS or slo_outcome(on_time, slo).met:
        return False
    return not miss_is_proven(_windows(on_time, slo))


def slo_outcome(trials: Sequence[Trial], slo: Slo, from_sending: bool = False) -> SloOutcome:
    """Whether the merged requests of trials at one rate met the SLO."""
    return pooled_outcome([steady_of(trial) for trial in trials], slo, from_sending)


def steady_of(trial: Trial) -> SteadyState:
    record, rows = trial
    assert record.phases is not None  # every completed trial has them
    return steady_state(rows, record.phases)


def _windows(trials: Sequence[Trial], slo: Slo) -> list[SloOutcome]:
    return [slo_outcome([trial], slo) for trial in trials]


def _sent_within(trials: Sequence[Trial], bound_ms: float) -> list[Trial]:
    """The undisturbed trials whose P99 send lag is within the bound, and whose client ran out of
    nothing."""
    trials = [trial for trial in trials if not was_disturbed(trial[0])]
    lags_ms = [record.send_lag_p99_ms for record, _ in trials]
    return [
        trial
        for trial, lag_ms in zip(trials, lags_ms, strict=True)
        if lag_ms is not None and lag_ms <= bound_ms
        if not (trial[1]["status"] == CLIENT_LIMIT).any()
    ]


def _length_s(record: TrialRecord) -> float:
    if record.phases is None:
        return 0.0
    phases = record.phases
    return phases.warmup_s + phases.steady_s + phases.drain_s + AROUND_TRIAL_S
