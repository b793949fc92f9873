"""Replicas, costs and headroom for a rate and a bound."""

import pytest

from analysis.predict.load_curve import MEASUREMENT, curve_of_measured
from analysis.predict.plan import HOURS_A_MONTH, PlanQuestion, plan, replicas_needed
from analysis.predict.rates import Resource
from analysis.predict.values import PredictError
from loadtests.records.experiment import Slo

from .curves import flat_curve, level, md1_curve

SLO = Slo(percentile=99, latency_ms=50)
SLOW, FAST = md1_curve("slow", 0.01), md1_curve("fast", 0.002)


def ask(rate_rps, curves=(SLOW, FAST), slo=SLO, measured=None, **question):
    return plan(PlanQuestion(rate_rps, slo, **question), list(curves), measured)


def test_replicas_are_the_fewest_that_meet_the_slo():
    for rate in (10, 50, 75, 200, 900):
        replicas = replicas_needed(SLOW, rate, SLO)
        assert SLOW.meets(rate / replicas, SLO)
        assert replicas == 1 or not SLOW.meets(rate / (replicas - 1), SLO)


def test_a_bound_that_one_cannot_meet_rules_it_out():
    best, other = ask(100, slo=Slo(percentile=99, latency_ms=8))
    assert (best.contender, best.can) == ("fast", True)
    assert (other.contender, other.can, other.replicas) == ("slow", False, None)
    assert other.lowest_s == pytest.approx(0.015, rel=0.05)


def test_a_bound_that_nobody_can_meet_is_refused_with_what_is_reached():
    with pytest.raises(PredictError, match=r"at most 1 ms .* \(fast reaches 3.* ms at its best\)"):
        ask(100, slo=Slo(percentile=99, latency_ms=1))


def test_growth_is_planned_for():
    assert ask(300, growth=2.0) == ask(600)


def test_replicas_that_may_fail_come_on_top():
    (needed,) = ask(200, [SLOW])
    (safe,) = ask(200, [SLOW], survive=2)
    assert safe.replicas == needed.replicas + 2
    assert safe.utilisation < needed.utilisation
    assert safe.headroom > needed.headroom


def test_the_cheapest_comes_first_whatever_its_number_of_replicas():
    answers = ask(300, prices={"slow": 1.0, "fast": 20.0})
    assert [answer.contender for answer in answers] == ["slow", "fast"]
    assert answers[0].replicas > answers[1].replicas


def test_costs_are_those_of_all_replicas():
    (answer,) = ask(300, [SLOW], prices={"slow": 1.5})
    assert answer.cost_per_month == pytest.approx(1.5 * answer.replicas * HOURS_A_MONTH)
    assert answer.cost_per_million == pytest.approx(1.5 * answer.replicas * 1e6 / (300 * 3600))


def test_without_prices_there_are_replicas_and_no_costs():
    first, second = ask(300)
    assert (first.contender, first.cost_per_million) == ("fast", None)
    assert first.replicas < second.replicas


def test_headroom_is_how_much_more_the_replicas_take():
    (answer,) = ask(300, [SLOW])
    most = answer.headroom * 300
    assert SLOW.meets(most / answer.replicas, SLO)
    assert not SLOW.meets(most / answer.replicas * 1.02, SLO)
    assert answer.utilisation == pytest.approx(300 / answer.replicas / 100)


def test_what_breaks_first_is_named():
    assert ask(300, [SLOW])[0].breaks_first is Resource.CORES


def test_a_batcher_that_needs_more_load_to_be_quick_gets_more_of_it_or_none():
    slow_when_idle = [level(1, [0.1] * 5), level(50, [0.01] * 5), level(100, [0.04] * 5)]
    curve = flat_curve("delayed", 0.0, 1.0)
    curve = type(curve)("delayed", tuple(slow_when_idle), 100.0, {})
    assert replicas_needed(curve, 90, SLO) == 1
    assert replicas_needed(curve, 120, SLO) == 2
    assert replicas_needed(curve, 2, SLO) is None


def test_an_answer_is_measured_where_one_replica_was_measured_at_that_rate():
    assert not ask(50, [SLOW])[0].measured
    measured = {"slow": md1_curve("slow", 0.01, by=MEASUREMENT)}
    assert ask(50, [SLOW], measured=measured)[0].measured
    assert not ask(1, [SLOW], measured=measured)[0].measured
    assert not ask(100, [SLOW], measured=measured)[0].measured
    assert ask(100, [SLOW], measured=measured)[0].by_measurement


MEASURED = [level(rate, [ms / 1000] * 5, by=MEASUREMENT) for rate, ms in ((40, 15), (60, 90))]


def test_what_was_measured_counts_where_it_tells_the_edge():
    measured = {"slow": curve_of_measured("slow", MEASURED, SLOW)}
    (answer,) = ask(50, [SLOW], measured=measured)
    assert (answer.measured, answer.latency_s) == (True, pytest.approx(0.0367, rel=0.01))
    assert answer.utilisation == pytest.approx(0.5, rel=0.01)  # of what the model says at most
    (answer,) = ask(5, [SLOW], measured=measured)
    assert not answer.by_measurement


def saturated(rate_rps):
    return level(rate_rps, [9.0] * 5, by=MEASUREMENT, saturated=True)


def test_measured_rates_that_all_meet_the_slo_do_not_say_how_far_it_goes():
    measured = {"slow": curve_of_measured("slow", MEASURED[:1], SLOW)}
    (answer,) = ask(90, [SLOW], measured=measured)
    assert not answer.by_measurement
    assert not measured["slow"].brackets(SLO)
    assert curve_of_measured("slow", [*MEASURED[:1], saturated(60)], SLOW).brackets(SLO)


def test_an_edge_between_rates_far_apart_is_not_measured():
    assert not curve_of_measured("slow", [*MEASURED[:1], saturated(90)], SLOW).brackets(SLO)


def test_one_replica_that_met_the_slo_at_the_very_rate_is_measured_with_a_predicted_headroom():
    measured = {"slow": curve_of_measured("slow", MEASURED[:1], SLOW)}
    (answer,) = ask(40, [SLOW], measured=measured)
    assert (answer.measured, answer.replicas) == (True, 1)
    assert answer.latency_s == pytest.approx(0.015)
    assert answer.headroom == pytest.approx(SLOW.capacity_rps(SLO) / 40)


def test_a_rate_beyond_all_replicas_is_refused_with_what_is_reached():
    with pytest.raises(PredictError, match=r"1,000 replicas .* found 900,000/s \(fast reaches 4"):
        ask(900_000)


@pytest.mark.parametrize("changes", [{"rate_rps": 0}, {"growth": 0}, {"survive": -1}])
def test_a_question_that_cannot_be_is_refused(changes):
    with pytest.raises(PredictError, match="expected"):
        PlanQuestion(**{"rate_rps": 10, "slo": SLO, **changes})
