"""The part of a trial that is analysed: its steady state, and what was used and counted in it."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.read.run import Trial
from analysis.steady.row_checks import Rows, inspect
from analysis.steady.usage import Usage, take_usage
from loadtests.records.steady_state import SteadyState, is_success, steady_state
from loadtests.records.trials import CLIENT_LIMIT

UNANSWERED = ("timeout", "connection", CLIENT_LIMIT)
"""Statuses of requests that the server may have answered although the client saw no reply."""


@dataclass(frozen=True)
class Sample(SteadyState):
    """One trial's steady state beside what its server used and counted.

    counters holds differences over the whole trial, as do n_ok_in_trial, n_unanswered_in_trial and
    n_client_limit_in_trial, which are the client's side of them.
    """

    usage: Usage
    rows: Rows
    counters: dict[str, int | None]
    n_ok_in_trial: int
    n_unanswered_in_trial: int
    n_client_limit_in_trial: int = 0


def take_sample(trial: Trial) -> Sample:
    """The steady state of a completed trial."""
    phases = trial.record.phases
    if phases is None:
        raise ValueError(f"{trial.record.trial_id} did not complete: it has no steady state.")
    start_s, end_s = phases.warmup_s, phases.warmup_s + phases.steady_s
    requests, telemetry = trial.requests, trial.telemetry
    return Sample(
        **vars(steady_state(requests, phases)),
        usage=take_usage(telemetry, trial.record.cores, start_s, end_s),
        rows=inspect(requests, start_s, end_s),
        counters=_differences(trial),
        n_ok_in_trial=int(is_success(requests).sum()),
        n_unanswered_in_trial=int(requests["status"].isin(UNANSWERED).sum()),
        n_client_limit_in_trial=int((requests["status"] == CLIENT_LIMIT).sum()),
    )


def total(samples: Sequence[Sample], counter: str) -> int | None:
    """The sum of one counter over samples, or None if any of them does not count it."""
    values = [sample.counters.get(counter) for sample in samples]
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _differences(trial: Trial) -> dict[str, int | None]:
    before, after = trial.record.counters_before, trial.record.counters_after
    if before is None or after is None:
        return {}
    return {name: _difference(before.get(name), value) for name, value in after.items()}


def _difference(before: int | None, after: int | None) -> int | None:
    return after - before if before is not None and after is not None else None
