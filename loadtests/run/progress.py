"""Shows a run as it happens: one line a slice, and the time left."""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from loadtests.measure.engines import in_words
from loadtests.measure.tools import RunContext
from loadtests.records.disturbance import (
    count_disturbances,
    disturbances_in_words,
    disturbances_told,
)
from loadtests.records.durations import clock
from loadtests.records.engines import EngineFacts
from loadtests.records.experiment import Slo
from loadtests.records.run_trials import RunTables, read_trials
from loadtests.records.shares import percent
from loadtests.records.trials import TrialRecord
from loadtests.run.history import Trial, slo_outcome, steady_of


class RunProgress:
    """A bar over the length of the run, as the run itself expects it; seen says what a completed
    slice showed, interim gives a first table of what is known so far."""

    def __init__(
        self,
        console: Console,
        seen: Callable[[TrialRecord], str],
        interim: Callable[[], RenderableType] = lambda: "",
    ) -> None:
        self._console = console
        self._seen = seen
        self._interim = interim
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            transient=True,
            refresh_per_second=1,  # drawn on the load generator's cores
        )
        self._task = self._bar.add_task("starting", total=None, left="")

    def __enter__(self) -> "RunProgress":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def begins(self, left_s: float) -> None:
        self._console.print(f"Measuring takes about {clock(left_s)}", highlight=False)
        self._show("starting", left_s)

    def engine_underway(self, line: str, left_s: float) -> None:
        self._show(line, left_s)

    def engine_measured(self, facts: EngineFacts, left_s: float) -> None:
        colour = "green" if facts.available else "yellow"
        self._tell("", "engine", colour, f" {in_words(facts)}")
        self._show("measuring engines", left_s)

    def starting(self, contender: str, left_s: float) -> None:
        self._show(f"starting {contender}", left_s)

    def slice_finished(self, record: TrialRecord, rounds: int, left_s: float) -> None:
        completed = record.status == "completed"
        outcome = self._seen_of(record) if completed else f"failed: {record.reason}"
        where = f"round {record.repeat} of about {rounds}, "
        if record.purpose in ("calibration", "overload"):
            where = f"{record.purpose}, "
        self._tell(where, record.contender_name, "green" if completed else "red", f" {outcome}")
        self._show(f"round {record.repeat} of about {rounds}", left_s)

    def round_finished(self, number: int, left_s: float) -> None:
        if number >= 2 and number.bit_count() == 1:  # seldom enough to cost nothing
            self._console.print(self._interim())

    def _seen_of(self, record: TrialRecord) -> str:
        disturbed = disturbances_in_words(record)
        not_used = f"; not used, disturbed by {disturbed}" if disturbed else ""
        parity = record.parity
        other = f", {parity.mismatches} wrong answers" if parity and parity.mismatches else ""
        return f"{self._seen(record)}{other}{not_used}"

    def _tell(self, before: str, what: str, colour: str, rest: str) -> None:
        # No markup: what a service said may hold square brackets.
        line = Text.assemble("  ", before, (what, colour), rest)
        self._console.print(line, highlight=False, soft_wrap=True)

    def _show(self, description: str, left_s: float) -> None:
        elapsed_s = self._bar.tasks[0].elapsed or 0.0
        self._bar.update(
            self._task,
            description=description,
            completed=elapsed_s,
            total=elapsed_s + left_s,
            left=f"about {clock(left_s)} left",
        )


def tell_measured(folder: Path, say: Callable[[str], None]) -> None:
    """Prints what a person must know of a run that ends without a report, and where it is."""
    disturbed = disturbances_told(*count_disturbances(read_trials(folder).values()))
    if disturbed:
        say(disturbed)
    say(str(folder))


def trial_line(run: RunContext, record: TrialRecord) -> str:
    """The line of a completed trial that was just saved."""
    rows = RunTables(run.folder).requests(record)
    return seen_in_words((record, rows), run.experiment.slo)


def seen_in_words(trial: Trial, slo: Slo) -> str:
    """E.g. `146 rps: P99 88.1 ms of 303 requests, met`; in a closed loop what was answered, which
    no SLO judges. The number of requests is given because a report states no P99 of so few."""
    record, _ = trial
    found = slo_outcome([trial], slo)
    latency = "no answer to"
    if found.latency_ms is not None:
        latency = f"P{slo.percentile:g} {_three_digits(found.latency_ms)} ms of"
    latency += f" {found.n_offered:,} requests"
    failed = f", {percent(found.error_ratio, 1)} failed" if found.error_ratio else ""
    if record.level.rate_rps is None:
        answered = f"{steady_of(trial).throughput_rps:,.0f} answers/s"
        return f"{record.level.concurrency} callers: {answered}, {latency}{failed}"
    verdict = "met" if found.met else "missed"
    saturated = ", saturated" if found.saturated else ""
    return f"{record.level.rate_rps:g} rps: {latency}{failed}{saturated}, {verdict}"


def _three_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
