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
    record = a_record(status="completed", send_lag_p99_ms=0.1)
    lines = printed(lambda p: p.trial_finished(trial, record, 1.0)).splitlines()
    assert "  r1-mine-5rps 20 rps: P99 8 ms, met" in lines


def test_a_trial_that_answered_wrongly_says_so(
    printed: Callable[[Any], str],
) -> None:
    trial: Any = SimpleNamespace(trial_id="r1-mine-5rps", contender=SimpleNamespace(name="mine"))
    parity: Any = SimpleNamespace(mismatches=3)
    record = a_record(status="completed", send_lag_p99_ms=0.1, parity=parity)
    said = printed(lambda p: p.trial_finished(trial, record, 1.0))
    expected = "P99 8 ms, met, 3 wrong answers"
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


def test_a_disturbed_trial_says_what_disturbed_it_and_that_it_is_not_used(
    printed: Callable[[Any], str],
) -> None:
    trial: Any = SimpleNamespace(trial_id="r1-mine-5rps", contender=SimpleNamespace(name="mine"))
    record = a_record(status="completed", foreign_share={"server": 0.312, "load": 0.02})
    said = printed(lambda p: p.trial_finished(trial, record, 1.0))
    assert "met; not used, disturbed by other programs (31.2 %, bound 10.0 %)\n" in said
