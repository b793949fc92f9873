"""What a person reads while a run measures."""

import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from commands.common import console
from loadtests.records.trials import Dropped, Level, TrialRecord
from loadtests.run.progress import RunProgress
from loadtests.selfcheck.calibration import Budget
from loadtests.selfcheck.calibration_table import budgets_table


@pytest.fixture(params=[True, False], ids=["a console with markup", "the commands' console"])
def printed(request: pytest.FixtureRequest) -> Callable[[Any], str]:
    def tell_it(tell: Any) -> str:
        out = io.StringIO()
        console = Console(file=out, width=40, markup=request.param)
        with RunProgress(console, lambda _: "20 rps: P99 8 ms, met") as progress:
            tell(progress)
        return out.getvalue()

    return tell_it


def a_record(**fields: Any) -> TrialRecord:
    """Of a trial whose server had a core, as its client had."""
    level, cores = Level("open", rate_rps=5), {"server": (0,), "load": (1,)}
    return TrialRecord(
        "r1-mine-5rps", "measurement", {"name": "mine"}, level, 1, 1, cores=cores, **fields
    )


def test_a_finished_trial_is_one_plain_line(printed: Callable[[Any], str]) -> None:
    trial: Any = SimpleNamespace(trial_id="r1-mine-5rps", contender=SimpleNamespace(name="mine"))
    record = a_record(status="completed", attempts_send_lag_p99_ms=(0.1,))
    lines = printed(lambda p: p.trial_finished(trial, record, 1.0)).splitlines()
    assert "  r1-mine-5rps 20 rps: P99 8 ms, met" in lines


def test_a_trial_that_was_made_again_or_answered_wrongly_says_so(
    printed: Callable[[Any], str],
) -> None:
    trial: Any = SimpleNamespace(trial_id="r1-mine-5rps", contender=SimpleNamespace(name="mine"))
    parity: Any = SimpleNamespace(mismatches=3)
    record = a_record(status="completed", attempts_send_lag_p99_ms=(9.0, 0.1), parity=parity)
    said = printed(lambda p: p.trial_finished(trial, record, 1.0))
    expected = "P99 8 ms, met, 3 wrong answers (attempt 2: client was late)"
    assert expected in said


def test_the_commands_console_takes_no_markup() -> None:
    with console.capture() as captured:
        console.print("[/] :smile: [red]a[/red]")
    assert captured.get() == "[/] :smile: [red]a[/red]\n"


def test_a_budget_says_in_plain_words_whether_it_was_met() -> None:
    rows = [Budget("lag", "ms", 1.0, 2.0, at_least=False, met=met) for met in (True, False, None)]
    with console.capture() as captured:
        console.print(budgets_table(rows))
    assert "[green]" not in captured.get()
    assert " met " in captured.get()
    assert " missed " in captured.get()


def test_square_brackets_in_what_a_service_answered_are_printed_as_they_are(
    printed: Callable[[Any], str],
) -> None:
    reason = "expected JSON, found [/]not markup[/red]"
    trial: Any = SimpleNamespace(trial_id="r1-mine-5rps", contender=SimpleNamespace(name="mine"))
    record = a_record(status="failed", reason=reason)
    assert f"failed: {reason}\n" in printed(lambda p: p.trial_finished(trial, record, 1.0))
    dropped = Dropped("search", 0, None, "[/] no time")
    assert "dropped [/] no time" in printed(lambda p: p.dropped(dropped))


@pytest.mark.parametrize(
    ("lags_ms", "foreign", "said"),
    [
        ((30.0, 1.0), (0.0, 0.0), "met (attempt 2: client was late)"),
        ((1.0, 1.0), (0.5, 0.0), "met (attempt 2: machine was disturbed)"),
        (
            (30.0, 1.0, 1.0),
            (0.0, 0.5, 0.0),
            "(attempt 3: machine was disturbed or client was late)",
        ),
        (
            (1.0, 1.0),
            (0.5, 0.312),
            "machine was disturbed); not used, other programs had 31.2 % of the server's "
            "cores and 2.0 % of",
        ),
    ],
)
def test_a_repeated_trial_says_why_it_was_repeated(
    printed: Callable[[Any], str],
    lags_ms: tuple[float, ...],
    foreign: tuple[float, ...],
    said: str,
) -> None:
    trial: Any = SimpleNamespace(trial_id="r1-mine-5rps", contender=SimpleNamespace(name="mine"))
    shares = tuple({"server": share, "load": 0.02} for share in foreign)
    record = a_record(
        status="completed", attempts_send_lag_p99_ms=lags_ms, attempts_foreign_share=shares
    )
    assert said in printed(lambda p: p.trial_finished(trial, record, 1.0))
