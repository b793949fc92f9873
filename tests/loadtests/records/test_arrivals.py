"""Arrival processes: the rate asked for, the burstiness asked for, and traces as recorded."""

import os
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from loadtests.generator.schedule import open_schedule
from loadtests.records.arrivals import Arrivals, Poisson, Step, Steps, Trace, read_trace
from loadtests.records.experiment import LoadSpec


def process(**settings: object) -> Arrivals:
    made: Arrivals = TypeAdapter(Arrivals).validate_python(settings)
    return made


@pytest.fixture
def trace_file(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "trace.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "poisson"},
        {"kind": "constant"},
        {"kind": "gamma", "cv": 3},
        {"kind": "gamma", "cv": 0.5},
    ],
)
def test_gaps_have_the_rate_asked_for_and_the_variation_that_the_process_states(
    settings: dict[str, object],
) -> None:
    asked = process(**settings)
    gaps = np.diff(open_schedule(asked, 100, 2000, 50, (11,)).times_s)
    assert gaps.mean() == pytest.approx(0.01, rel=0.03)
    assert gaps.std() / gaps.mean() == pytest.approx(asked.gap_cv, rel=0.05, abs=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "constant"},
        {"kind": "gamma", "cv": 4},
        {
            "kind": "steps",
            "pattern": [
                {"relative_rate": 1, "duration_s": 1},
                {"relative_rate": 0, "duration_s": 1},
            ],
        },
    ],
)
def test_arrivals_are_ascending_within_the_duration_and_seeded(settings: dict) -> None:
    first, again, other = (
        open_schedule(process(**settings), 200, 5, 50, (seed,)) for seed in (7, 7, 8)
    )
    assert np.all(np.diff(first.times_s) >= 0)
    assert first.times_s[0] >= 0
    assert first.times_s[-1] < 5
    assert first.digest == again.digest != other.digest


def test_poisson_is_the_default() -> None:
    assert LoadSpec().arrivals == Poisson()


def test_steps_keep_the_mean_rate_and_their_proportions() -> None:
    pattern = (Step(relative_rate=1, duration_s=2), Step(relative_rate=4, duration_s=1))
    steps = Steps(kind="steps", pattern=pattern)
    times = open_schedule(steps, 100, 900, 50, (3,)).times_s
    assert len(times) / 900 == pytest.approx(100, rel=0.02)
    in_the_peak = ((times % 3) >= 2).mean()
    assert in_the_peak == pytest.approx(4 / 6, rel=0.02)


def test_a_trace_is_replayed_as_recorded_from_its_first_arrival_on(trace_file) -> None:
    path = trace_file("seconds,path\n1700000000.5,/a\n1700000001.0,/b\n\n1700000003.5,/c\n")
    trace = Trace(kind="trace", file=str(path))
    assert trace.times_s(999, 3.5, np.random.default_rng(0)).tolist() == [0.0, 0.5, 3.0]
    assert trace.mean_rate_rps == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    "text",
    ["\ufeff0.5\n1\n3.5\n", "\ufeffseconds\r\n0.5\r\n1\r\n3.5\r\n", "t,n\n5,1\n10,0\n35,2\n"],
)
def test_no_arrival_is_lost_to_a_byte_order_mark_or_a_heading(trace_file, text: str) -> None:
    times = read_trace(trace_file(text))
    assert (times / times[-1]).tolist() == pytest.approx([0.0, 1 / 6, 1.0])


def test_a_pipe_is_no_trace_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "trace")
    with pytest.raises(ValueError, match="cannot read the trace .*it is no regular file"):
        read_trace(tmp_path / "trace")


def test_a_trace_shorter_than_the_trial_starts_over_after_a_mean_gap(trace_file) -> None:
    trace = Trace(kind="trace", file=str(trace_file("0\n1\n4\n")))
    assert trace.times_s(1, 11, np.random.default_rng(0)).tolist() == [0, 1, 4, 6, 7, 10]


def test_a_scaled_trace_has_the_levels_rate_and_its_own_shape(trace_file) -> None:
    recorded = np.cumsum(np.random.default_rng(1).gamma(0.2, 1, 3000))
    path = trace_file("".join(f"{seconds:.6f}\n" for seconds in recorded))
    trace = Trace(kind="trace", file=str(path), scaled=True)
    gaps = np.diff(trace.times_s(50, 300, np.random.default_rng(0)))
    assert 1 / gaps.mean() == pytest.approx(50, rel=0.02)
    assert gaps.std() / gaps.mean() == pytest.approx(np.sqrt(5), rel=0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n0.5\n", "expected seconds, ascending, in line 2 of"),
        ("t\n1\nsoon\n", "in line 3 of .*, found 'soon'"),
        ("1\nnan\n", "found 'nan'"),
        ("5\n", "expected at least two different timestamps"),
        ("5\n5\n", "expected at least two different timestamps"),
        ("", "expected at least two different timestamps"),
        ("0,5;1\n1,5;2\n", "in line 1 of .*, found '0,5;1'; write 0.5,1 for 0,5;1"),
        ("seconds;path\n0.5;/a\n", "commas between columns, in line 2 of .*, found '0.5;/a'"),
        ("0,5\n1,25\n2,0\n", "decimal point in .*, found '0,5' in line 1 .*; write 0.5 for 0,5"),
        ("1\n1700000000000\n", "expected seconds, .* in line 2 of .*, found '1700000000000'"),
    ],
)  # fmt: skip
def test_a_trace_that_is_none_is_refused_with_the_line(trace_file, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_trace(trace_file(text))


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "gamma"},
        {"kind": "gamma", "cv": 0},
        {"kind": "gamma", "cv": 2, "shape": 1},
        {"kind": "bursts"},
        {"kind": "steps", "pattern": [{"relative_rate": 1, "duration_s": 1}]},
        {"kind": "steps", "pattern": [{"relative_rate": 0, "duration_s": 1}] * 2},
    ],
)
def test_a_process_that_cannot_be_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        process(**settings)
