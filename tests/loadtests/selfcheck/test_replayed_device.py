"""The self-check of simulated devices: what its table says of passes, and when it fails."""

from collections.abc import Sequence

import pytest

from loadtests.selfcheck.replayed_device import Case, Found, Passes, checked, report

ONE = Case(0.001, 0.0002)


def found(taken_s: Sequence[float], case: Case = ONE, cpu_s: float = 0.03) -> Found:
    caller = Passes(taken_s, cpu_s, 0.0, sum(taken_s))
    return Found(case, [caller] * case.callers, 0.5)


def test_passes_within_bounds_are_well() -> None:
    said: list[str] = []
    assert report([found([0.00101] * 100)], said.append) == 0
    (table,) = said
    assert table.splitlines()[-1] == (
        "| 1 ms, host 0.2 ms | 1 | 100 | 990 | +1.00% | +1.00% | +1.00% | 9.9% | 50.0% |"
    )


@pytest.mark.parametrize(
    ("taken_s", "problem"),
    [
        ([0.00103] * 100, "P50"),
        ([0.001] * 90 + [0.0012] * 10, "P99"),
        ([0.0009] * 100, "passes overlap"),
    ],
)
def test_passes_that_are_not_within_bounds_are_a_failure(
    taken_s: list[float], problem: str
) -> None:
    said: list[str] = []
    assert report([found(taken_s)], said.append) == 1
    assert said[-1] == f"not within bounds: 1 ms, host 0.2 ms, 1: {problem}"


def test_callers_of_one_device_wait_for_each_other() -> None:
    two = Case(0.001, 0.0, 2)
    shared = found([0.002] * 100, two)
    assert shared.errors == pytest.approx((0, 0, 0))
    assert shared.rate == pytest.approx(1000, rel=0.02)
    assert shared.problem == ""
    assert found([0.001] * 100, two).problem == "passes overlap"


def test_a_line_of_it_can_be_measured() -> None:
    measured = checked(Case(0.0005, 0.0001, 2), seconds=0.05)
    assert measured.n_passes >= 200
    assert measured.rate * 0.0005 <= 1.02
