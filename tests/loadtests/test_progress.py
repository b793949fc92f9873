"""What a person reads while a run measures."""

import io
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from loadtests.progress import RunProgress
from loadtests.records import Dropped


def printed(tell: Any) -> str:
    out = io.StringIO()
    with RunProgress(Console(file=out, width=40)) as progress:
        tell(progress)
    return out.getvalue()


def test_square_brackets_in_what_a_service_answered_are_printed_as_they_are() -> None:
    reason = "expected JSON, found [/]not markup[/red]"
    trial: Any = SimpleNamespace(trial_id="r1-mine-5rps", contender=SimpleNamespace(name="mine"))
    record: Any = SimpleNamespace(status="failed", reason=reason, attempts_send_lag_p99_ms=())
    assert f"failed: {reason}\n" in printed(lambda p: p.trial_finished(trial, record, 1.0))
    dropped = Dropped("search", 0, None, "[/] no time")
    assert "everywhere: [/] no time" in printed(lambda p: p.dropped(dropped))
