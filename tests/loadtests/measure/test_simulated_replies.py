from pathlib import Path

import pytest

from loadtests.measure.simulated_replies import reply_lateness_p99_ms


@pytest.mark.parametrize(
    ("log", "late_ms"),
    [
        ("ready\n", None),
        ('{"simulated_replies": 3, "late_p99_ms": 0.5}\nother\n', 0.5),
        (
            '{"simulated_replies": 3, "late_p99_ms": 0.5}\n'
            '{"simulated_replies": 9, "late_p99_ms": 0.25}\n',
            0.25,
        ),
    ],
    ids=["no simulated service", "one slice", "several slices"],
)
def test_the_last_slice_in_the_log_says_how_late_its_replies_left(
    log: str, late_ms: float | None, tmp_path: Path
) -> None:
    (tmp_path / "server.log").write_text(log)
    assert reply_lateness_p99_ms(tmp_path / "server.log") == late_ms


def test_without_a_log_nothing_is_said(tmp_path: Path) -> None:
    assert reply_lateness_p99_ms(tmp_path / "server.log") is None
