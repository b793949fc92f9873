"""What a run knows so far: its finished trials, read from disk, and what they say of each SLO."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from loadtests.plan import AROUND_TRIAL_S
from loadtests.records import (
    CEILING_SHARE,
    SEND_LAG_SHARE,
    TrialRecord,
    read_trial,
    trial_folders,
)
from loadtests.slo import SloOutcome, judge_slo
from loadtests.spec import Experiment, Slo
from loadtests.tables import read_requests


@dataclass
class History:
    """Every finished trial of a run. A search that was killed goes on from here, because nothing
    else decides where it stands."""

    folder: Path
    experiment: Experiment
    records: dict[str, TrialRecord] = field(default_factory=dict)
    _met: dict[tuple[str, float], tuple[bool | None, ...]] = field(default_factory=dict)
    _ceilings_rps: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, experiment: Experiment) -> "History":
        history = cls(folder, experiment)
        for trial in trial_folders(folder):
            history.add(read_trial(trial))
        return history

    def add(self, record: TrialRecord) -> None:
        """Takes note of a trial that was saved."""
        self.records[record.trial_id] = record
        if record.status != "completed" or record.purpose not in ("search", "calibration"):
            return
        rows = read_requests(self.folder / "trials" / record.trial_id)
        if record.level.rate_rps is not None:
            met = tuple(slo_met(rows, record, slo) for slo in self.experiment.slos)
            self._met[record.contender_name, record.level.rate_rps] = met
        else:
            protocol = str(record.contender["protocol"])
            self._ceilings_rps[protocol] = _throughput_rps(rows, record)

    def probes(self, contender: str) -> list[dict[float, bool | None]]:
        """For each SLO, by rate that was probed: whether it was met; None: it cannot be told."""
        return [
            {rate: met[k] for (name, rate), met in self._met.items() if name == contender}
            for k in range(len(self.experiment.slos))
        ]

    def spent_s(self) -> float:
        """What the trials so far have used of the budget of time, calibration apart."""
        records = [r for r in self.records.values() if r.purpose != "calibration"]
        visits = {(r.purpose, r.contender_name, r.repeat): r.startup_s or 0.0 for r in records}
        return sum(visits.values()) + sum(_length_s(record) for record in records)

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


def slo_met(rows: pd.DataFrame, record: TrialRecord, slo: Slo) -> bool | None:
    """Whether a trial's requests met the SLO; None where a late client leaves it open.

    What a late client measured is partly its own delay. It proves only that the SLO was not met,
    and only where the server missed it even counted from the time of sending.
    """
    lag_ms = record.attempts_send_lag_p99_ms[-1]
    if lag_ms is None or lag_ms > slo.latency_ms:
        return None
    if lag_ms <= SEND_LAG_SHARE * slo.latency_ms:
        return slo_outcome(rows, record, slo).met
    return None if slo_outcome(rows, record, slo, since="sent_s").met else False


def slo_outcome(
    rows: pd.DataFrame, record: TrialRecord, slo: Slo, since: str = "scheduled_s"
) -> SloOutcome:
    """judge_slo of the rows of one trial, latency counted from the column `since`."""
    steady = rows[rows["phase"] == "steady"]
    answered = steady[steady["status"] == "ok"]
    latency_s = (answered["done_s"] - answered[since]).to_numpy(dtype=float)
    return judge_slo(slo, latency_s, len(steady), _n_done_in_window(rows, record))


def _n_done_in_window(rows: pd.DataFrame, record: TrialRecord) -> int:
    assert record.phases is not None  # every completed trial has them
    start_s = record.phases.warmup_s
    done_s = rows.loc[rows["status"] == "ok", "done_s"]
    return int(((done_s >= start_s) & (done_s < start_s + record.phases.steady_s)).sum())


def _length_s(record: TrialRecord) -> float:
    if record.phases is None:
        return 0.0
    once_s = record.phases.warmup_s + record.phases.steady_s + record.phases.drain_s
    return (once_s + AROUND_TRIAL_S) * max(1, len(record.attempts_send_lag_p99_ms))


def _throughput_rps(rows: pd.DataFrame, record: TrialRecord) -> float:
    assert record.phases is not None  # every completed trial has them
    return _n_done_in_window(rows, record) / record.phases.steady_s
