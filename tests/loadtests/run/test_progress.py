"""What a person reads while a run measures."""

import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from commands.common import console
from loadtests.records.trials import Level, TrialRecord
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


def test_a_finished_slice_is_one_plain_line_that_says_how_far_the_run_is(
    printed: Callable[[Any], str],
) -> None:
    record = a_record(status="completed", send_lag_p99_ms=0.1)
    lines = printed(lambda p: p.slice_finished(record, 11, 1.0)).splitlines()
    assert "  round 1 of about 11, mine 20 rps: P99 8 ms, met" in lines


def test_a_slice_with_wrong_answers_says_so(printed: Callable[[Any], str]) -> None:
    parity: Any = SimpleNamespace(mismatches=3)
    record = a_record(status="completed", parity=parity)
    assert "met, 3 wrong answers" in printed(lambda p: p.slice_finished(record, 2, 1.0))


def test_a_disturbed_slice_says_that_it_is_not_used(printed: Callable[[Any], str]) -> None:
    record = a_record(status="completed", foreign_share={"server": 0.5, "load": 0.0})
    said = printed(lambda p: p.slice_finished(record, 2, 1.0))
    assert "met; not used, disturbed by other programs (50.0 %" in said


def test_a_first_table_comes_after_two_rounds_and_is_refreshed_seldom() -> None:
    out = io.StringIO()
    with RunProgress(Console(file=out), lambda _: "", lambda: "the table") as progress:
        for number in range(1, 10):
            progress.round_finished(number, 1.0)
    assert out.getvalue().count("the table") == 3


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
    record = a_record(status="failed", reason=reason)
    assert f"failed: {reason}\n" in printed(lambda p: p.slice_finished(record, 2, 1.0))
