"""What comes of each contender at twice its capacity."""

import pytest

from analysis.overload.beyond import Outcome
from analysis.read.run import load_run
from analysis.report.summary import summarise


@pytest.fixture
def beyond(overload_summary):
    return {found.contender: found for found in overload_summary.beyond_capacity}


def test_the_outcome_tells_a_queue_a_bound_and_a_collapse_apart(beyond):
    assert {name: found.outcome for name, found in beyond.items()} == {
        "queues": Outcome.ANSWERS_LATE,
        "sheds": Outcome.KEEPS_GOODPUT,
        "collapses": Outcome.ANSWERS_FEWER,
        "untried": Outcome.NOT_TRIED,
    }


def test_what_was_kept_is_told_against_capacity_and_against_the_most_answered(beyond):
    found = beyond["sheds"]
    assert (found.factor, found.capacity_rps) == (pytest.approx(2.0, rel=0.05), 400.0)
    assert found.goodput_ratio == pytest.approx(500 / 400, rel=0.01)
    assert found.throughput_ratio == pytest.approx(1.0)
    assert beyond["collapses"].throughput_ratio == pytest.approx(0.36, abs=0.05)


def test_a_bound_is_an_option_of_the_contender(beyond):
    assert {name: found.bounds for name, found in beyond.items() if found.bounds} == {
        "sheds": {"max_in_progress": "20"}
    }


def test_without_overload_trials_the_highest_saturated_rate_shows_it(collapsing):
    (found,) = collapsing().beyond_capacity
    assert found.outcome is Outcome.ANSWERS_FEWER
    assert (found.overload, found.capacity_rps) == (None, 200.0)
    assert found.offered_rps == pytest.approx(400, rel=0.1)
    assert found.throughput_rps == pytest.approx(50, rel=0.1)


def test_a_contender_of_which_no_rate_was_met_has_no_multiple_of_it(new_run, contender):
    run = new_run(["a"], rates_rps=[200.0], steady_s=6.0)
    run.calibrate("null-http", "http-json", 4000)
    run.simulate([contender("a", 0.02)])
    (found,) = summarise(load_run(run.folder)).beyond_capacity
    assert (found.outcome, found.capacity_rps, found.factor) == (Outcome.NOT_TRIED, None, None)
    assert found.most_rps == pytest.approx(50, rel=0.1)


def test_an_overload_counts_for_the_most_that_was_answered(overload_summary):
    found = {s.contender: s for s in overload_summary.saturation}
    assert (found["queues"].level, found["queues"].saturated) == ("800rps", True)
    assert found["queues"].throughput_rps == pytest.approx(500, rel=0.01)
    assert found["queues"].fall is None
    assert found["collapses"].fall.throughput_rps == pytest.approx(141, rel=0.05)
