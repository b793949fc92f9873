"""Overloads of queues with known answers: 500 requests a second, of which 400 count as capacity."""

import pytest

from analysis.read.run import load_run
from analysis.report.summary import summarise
from analysis.validity.certificate import CheckOutcome
from analysis.validity.reasons import Reason
from loadtests.records.disturbance import FOREIGN_SHARE


def test_every_factor_of_every_contender_is_one_point_over_all_repeats(overload_summary):
    found = [(p.contender, p.factor) for p in overload_summary.overloads]
    names = ("queues", "sheds", "collapses")
    assert found == [(name, factor) for name in names for factor in (1.0, 1.5, 2.0)]
    assert {p.n_repeats for p in overload_summary.overloads} == {3}


def test_a_queue_without_a_bound_answers_all_it_can_and_nearly_none_in_time(point):
    found = point("queues", 2.0)
    assert found.metrics.throughput_rps == pytest.approx(500, rel=0.01)
    # 300 a second too many: those after 0.17 s wait longer than 100 ms.
    assert found.metrics.goodput_rps == pytest.approx(44, abs=12)
    assert found.goodput_range.low < found.metrics.goodput_rps < found.goodput_range.high


def test_a_bounded_queue_answers_all_it_can_in_time_and_refuses_the_rest_at_once(point):
    found = point("sheds", 2.0)
    assert found.metrics.goodput_rps == pytest.approx(500, rel=0.01)
    assert found.metrics.latency_p99_ms < 50
    assert found.rejected_ratio == pytest.approx(300 / 800, abs=0.02)
    assert found.rejected_p50_ms == pytest.approx(1.0)


def test_refusals_and_timeouts_are_told_apart(point):
    shed, waited = point("sheds", 2.0), point("collapses", 2.0)
    assert set(shed.failures) == {"http_503"}
    assert set(waited.failures) == {"timeout"}
    assert (shed.timed_out_ratio, waited.rejected_ratio) == (0.0, 0.0)
    assert waited.timed_out_ratio > 0.5


def test_recovery_takes_as_long_as_the_backlog_at_the_spare_rate(point):
    found = point("queues", 2.0)
    n_waiting = 3 * (found.metrics.offered_rps - 500)
    # 300 a second are spare, and 50 that wait are answered in time.
    assert found.recovery_s == pytest.approx((n_waiting - 50) / 300, abs=0.15)
    assert found.recovery_range.low <= found.recovery_s <= found.recovery_range.high
    assert point("sheds", 2.0).recovery_s == pytest.approx(0.0, abs=0.1)


def test_a_recovery_that_was_not_seen_is_not_stated(point):
    found = point("collapses", 2.0)
    assert (found.recovery_s, found.recovery_range, found.n_recovered) == (None, None, 0)
    assert found.watched_s == 3.5


def test_an_overload_is_no_point_and_compares_nothing(overload_summary):
    rates_rps = {100.0, 200.0, 300.0, 400.0}
    assert {p.rate_rps for p in overload_summary.points} == rates_rps
    assert overload_summary.comparison
    assert {c.rate_rps for c in overload_summary.comparison} <= rates_rps


def test_of_overloads_only_those_that_were_not_answered_count_for_capacity(overload_summary):
    rates_rps = {100.0, 200.0, 300.0, 400.0}
    saturated = {
        (o.contender, float(o.level.removesuffix("rps")))
        for o in overload_summary.overloads
        if o.saturated
    }
    tried = {(c.contender, r.rate_rps) for c in overload_summary.capacities for r in c.rates}
    assert saturated
    own = {(name, rate) for name, rate in saturated if rate not in rates_rps}
    assert {(name, rate) for name, rate in tried if rate not in rates_rps} == own


def test_an_overload_that_nearly_keeps_up_is_not_judged_by_its_drift(new_overload_run):
    run, contender = new_overload_run()
    run.overload(contender, 1.27, 3)  # 508 of 500 a second: each waits longer than the one before
    summary = summarise(load_run(run.folder))
    (trial,) = (t for t in summary.trials if t.purpose == "overload")
    check = next(c for c in trial.certificate if c.reason is Reason.DRIFT)
    assert check.outcome is CheckOutcome.NOT_APPLICABLE
    assert not trial.saturated
    assert summary.overloads


def test_of_an_overload_only_that_it_saturates_and_fails_is_found(overload_summary):
    made = [t for t in overload_summary.trials if t.purpose == "overload"]
    assert len(made) == 27
    assert {f.reason for t in made for f in t.findings} == {Reason.SATURATED, Reason.ERRORS}


def test_an_overload_may_have_other_arrivals_than_the_experiment(new_overload_run):
    run, contender = new_overload_run(arrivals={"kind": "constant"})
    run.overload(contender, 2.0, 1)
    (point,) = summarise(load_run(run.folder)).overloads
    assert point.n_repeats == 1


def test_a_disturbed_overload_is_left_out(new_overload_run):
    run, contender = new_overload_run()
    run.overload(contender, 2.0, 1)
    others = {"server": 3 * FOREIGN_SHARE, "load": 0.0}
    run.overload(contender, 2.0, 2, foreign_share=others)
    (point,) = summarise(load_run(run.folder)).overloads
    assert point.trial_ids == ["overload-a-800rps-1"]
