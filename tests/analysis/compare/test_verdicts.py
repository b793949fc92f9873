import itertools

import pandas as pd
import pytest

from analysis.compare.intervals import Interval, Metric
from analysis.compare.verdicts import Verdict, decide
from analysis.read.run import load_run
from analysis.report.summary import summarise
from loadtests.records.trials import Level

from ..synthetic import open_loop_rows


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.50, 0.90, Verdict.BETTER),
        (1.20, 1.50, Verdict.WORSE),
        (0.97, 1.04, Verdict.NO_MATERIAL_DIFFERENCE),
        (1.01, 1.04, Verdict.NO_MATERIAL_DIFFERENCE),  # certain, and too small to matter
        (0.90, 1.10, Verdict.NOT_ENOUGH_EVIDENCE),
        (0.80, 0.99, Verdict.NOT_ENOUGH_EVIDENCE),  # quicker, but perhaps by too little to matter
        (1.02, 1.20, Verdict.NOT_ENOUGH_EVIDENCE),
    ],
)
def test_the_whole_interval_must_lie_beyond_the_margin_or_within_it(low, high, verdict):
    assert decide(Metric.P99, 1.0, Interval(low, high), 3, margin=0.05, least=0.05) is verdict


def test_more_throughput_is_better():
    assert decide(Metric.THROUGHPUT, 2.0, Interval(1.8, 2.2), 3, 0.05, 0.05) is Verdict.BETTER
    assert decide(Metric.THROUGHPUT, 0.5, Interval(0.4, 0.6), 3, 0.05, 0.05) is Verdict.WORSE


def test_fewer_than_three_rounds_decide_nothing():
    sure = Interval(0.09, 0.11)
    assert decide(Metric.P99, 0.1, sure, 2, 0.05, 0.05) is Verdict.NOT_ENOUGH_EVIDENCE
    assert decide(Metric.P99, 0.1, sure, 3, 0.05, 0.05) is Verdict.BETTER


def test_a_larger_noise_floor_takes_a_verdict_back():
    quicker = Interval(0.8, 0.9)
    assert decide(Metric.P99, 0.85, quicker, 3, 0.05, 0.05) is Verdict.BETTER
    assert decide(Metric.P99, 0.85, quicker, 3, 0.30, 0.05) is Verdict.NOT_ENOUGH_EVIDENCE


def test_a_larger_noise_floor_leaves_what_is_equal_equal():
    equal = Interval(0.98, 1.02)
    assert decide(Metric.CPU, 1.0, equal, 3, 0.30, 0.05) is Verdict.NO_MATERIAL_DIFFERENCE


@pytest.fixture
def compared(new_run, contender):
    """The comparison of two simulated contenders; late names repeats spoilt by a late client."""

    def build(late: tuple[int, ...] = (), repeats: int = 4):
        run = new_run(["a", "b"], rates_rps=[100.0], repeats=repeats, steady_s=12.0)
        run.calibrate("null-http", "http-json", 4000)
        run.simulate([contender("a", 0.006)])
        run.simulate([contender("b", 0.003)])
        for repeat in late:
            path = run.folder / "trials" / f"b-100rps-{repeat}" / "requests.parquet"
            spoil(path)
        return summarise(load_run(run.folder)).comparison

    return build


def spoil(path):
    rows = pd.read_parquet(path)
    rows["sent_s"] += 0.02
    rows["done_s"] += 0.5  # an invalid trial with latencies that would turn the verdict around
    rows.to_parquet(path)


def test_an_invalid_repeat_is_never_used_by_a_verdict(compared):
    (found,) = compared(late=(2,))
    assert {r.n_rounds for r in found.ratios} == {3}
    assert found.of(Metric.P99).verdict is Verdict.BETTER


def test_too_many_invalid_repeats_leave_no_verdict(compared):
    (found,) = compared(late=(2, 3))
    assert {r.verdict for r in found.ratios} == {Verdict.NOT_ENOUGH_EVIDENCE}


def test_slices_at_rates_of_their_own_are_no_pairs(new_run, contender):
    run = new_run(["a", "b"], rates_rps=[100.0], repeats=3, steady_s=12.0)
    run.simulate([contender("a", 0.006), contender("b", 0.003)], purpose="search")
    assert summarise(load_run(run.folder)).comparison == []


SLOW = {("a", 1): 1.4, ("b", 2): 1.3, ("a", 3): 1.2, ("b", 4): 1.5}
"""By contender and round: how many times as long everything takes."""


@pytest.mark.parametrize(("watched", "equal"), [(True, True), (False, False)])
def test_how_slow_the_machine_was_in_either_slice_is_taken_out(new_run, contender, watched, equal):
    run = new_run(["a", "b"], rates_rps=[100.0], repeats=4, steady_s=12.0)
    for name, repeat in itertools.product("ab", range(1, 5)):
        slow = SLOW.get((name, repeat), 1.0)
        one = contender(name, 0.001 * slow, overhead_s=0.002 * slow)
        requests = open_loop_rows(one, 100.0, run.steady_s, repeat)
        machine = {"work_us": {"json": 80 * slow, "copy": 110 * slow}} if watched else None
        run.add(one, requests, Level("open", rate_rps=100.0), repeat, machine=machine)
    (found,) = summarise(load_run(run.folder)).comparison
    p50 = found.of(Metric.P50)
    assert (p50.low > 0.95 and p50.high < 1.05) is equal
