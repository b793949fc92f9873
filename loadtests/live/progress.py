"""Tells the page of a comparison what a run would tell a terminal."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from loadtests.live.desk import Desk
from loadtests.live.view import SliceShown
from loadtests.live.watch import Reading, server_side
from loadtests.measure.tools import RunContext
from loadtests.records.engines import EngineFacts
from loadtests.records.percentiles import in_ms, nearest_rank
from loadtests.records.run_trials import RunTables
from loadtests.records.running_totals import values_of
from loadtests.records.trials import TrialRecord
from loadtests.run.history import steady_of
from loadtests.run.progress import trial_line


class PageProgress(AbstractContextManager["PageProgress"]):
    """table: the study's table of what is recorded so far; None: nothing yet."""

    def __init__(
        self, desk: Desk, run: RunContext, table: Callable[[], Mapping[str, Any] | None]
    ) -> None:
        self._desk, self._run, self._table = desk, run, table

    def __exit__(self, *raised: object) -> None:
        return None

    def begins(self, left_s: float) -> None:
        self._tell("Starting", left_s)

    def engine_underway(self, line: str, left_s: float) -> None:
        self._tell(line, left_s)

    def engine_measured(self, facts: EngineFacts, left_s: float) -> None:
        self._tell("Engines measured", left_s)

    def starting(self, contender: str, left_s: float) -> None:
        self._tell(f"Getting {contender} ready", left_s)

    def slice_finished(self, record: TrialRecord, rounds: int, left_s: float) -> None:
        name = record.contender_name
        if record.status != "completed":
            self._tell(f"{name} failed: {record.reason}", left_s)
            return
        if record.purpose == "calibration":
            self._tell("The load generator's own ceiling is measured", left_s)
            return
        self._desk.slice_seen(name, slice_shown(self._run, record))
        said = f"Round {record.repeat} of about {rounds}: {name} {trial_line(self._run, record)}"
        self._tell(said, left_s)

    def round_finished(self, number: int, left_s: float) -> None:
        if number >= 2 and number.bit_count() == 1:  # seldom enough to cost nothing
            table = self._table()
            with self._desk.lock:
                self._desk.work.table = table

    def _tell(self, sentence: str, left_s: float) -> None:
        with self._desk.lock:
            self._desk.work.said, self._desk.work.left_s = sentence, max(left_s, 0.0)


def slice_shown(run: RunContext, record: TrialRecord) -> SliceShown:
    """A completed slice as a row of the live table."""
    tables = RunTables(run.folder)
    steady, telemetry = steady_of((record, tables.requests(record))), tables.telemetry(record)
    cpu_s, rss = values_of(telemetry, "server_cpu_s"), values_of(telemetry, "server_rss_bytes")
    at_s = values_of(telemetry, "t_s")
    ends = [
        Reading(
            float(at_s[k]),
            None if cpu_s[k] != cpu_s[k] else float(cpu_s[k]),
            None if rss[k] != rss[k] else int(rss[k]),
            counters,
        )
        for k, counters in ((0, record.counters_before), (-1, record.counters_after))
    ]
    return SliceShown(
        record.level.rate_rps,
        steady.throughput_rps,
        steady.error_ratio,
        in_ms(nearest_rank(steady.latency_s, 50)),
        in_ms(nearest_rank(steady.latency_s, 99)),
        len(steady.latency_s),
        server_side(*ends),
    )
