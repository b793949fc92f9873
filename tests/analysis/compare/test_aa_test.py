import pytest

from analysis.compare.aa_test import noise_checks, spread
from analysis.compare.intervals import Metric
from analysis.compare.verdicts import Verdict
from analysis.read.run import load_run
from analysis.report.render import render_decision, render_report
from analysis.report.summary import summarise
from analysis.validity.certificate import CheckOutcome
from analysis.validity.found import Found
from analysis.validity.reasons import Reason


@pytest.fixture
def summarised(new_run, contender):
    """Two contenders and the aa_copy of the first, as slow as said."""

    def build(copy_service_s: float | None, other_service_s: float = 0.003):
        run = new_run(["a", "b"], rates_rps=[100.0], repeats=3, steady_s=12.0, aa_test="a")
        run.calibrate("null-http", "http-json", 4000)
        run.simulate([contender("a", 0.003), contender("b", other_service_s)])
        if copy_service_s:
            run.simulate([contender("a-again", copy_service_s)], purpose="noise")
        return summarise(load_run(run.folder))

    return build


def test_a_quiet_machine_leaves_the_experiment_s_least_difference(summarised):
    summary = summarised(copy_service_s=0.003)
    level = summary.noise_floor.levels[0]
    assert (summary.noise_floor.aa_copy, level.rate_rps) == ("a-again", 100.0)
    assert level.of(Metric.P99).ratio == pytest.approx(1.0)
    assert summary.comparison[0].of(Metric.P99).margin == 0.05
    assert not any(Reason.MACHINE_NOISE in p.reasons for p in summary.points)


def test_a_machine_that_differs_from_itself_limits_claims_and_raises_the_margin(summarised):
    summary = summarised(copy_service_s=0.0036)
    floor = spread(summary.noise_floor.levels[0].of(Metric.MEAN).ratio)
    assert floor > 0.2
    assert summary.comparison[0].of(Metric.MEAN).margin == pytest.approx(floor)
    point = summary.points[0]
    assert Reason.MACHINE_NOISE in point.reasons
    assert point.usable
    check = next(c for c in point.certificate if c.reason is Reason.MACHINE_NOISE)
    assert check.measured > check.bound == 0.05


def test_a_difference_below_the_noise_floor_is_not_claimed(summarised):
    quiet = summarised(copy_service_s=None, other_service_s=0.0027).comparison[0].of(Metric.CPU)
    assert (quiet.margin, quiet.verdict) == (0.05, Verdict.BETTER)


def test_the_same_difference_below_the_noise_floor_is_left_open(summarised):
    noisy = summarised(copy_service_s=0.0036, other_service_s=0.0027)
    ratio = noisy.comparison[0].of(Metric.CPU)
    assert ratio.margin == pytest.approx(0.2, abs=0.01)
    assert ratio.verdict is Verdict.NOT_ENOUGH_EVIDENCE


def test_a_spread_that_may_be_chance_raises_no_margin(summarised):
    floor = summarised(copy_service_s=0.0036).noise_floor
    (level,) = floor.levels
    open_ended = [ratio.model_copy(update={"low": 0.9}) for ratio in level.ratios]
    unsure = floor.model_copy(update={"levels": [level.model_copy(update={"ratios": open_ended})]})
    assert floor.margins("100rps", 0.05)[Metric.CPU] > 0.15
    assert unsure.margins("100rps", 0.05)[Metric.CPU] == 0.05


def test_without_a_aa_copy_nothing_is_known_of_noise(summarised):
    summary = summarised(copy_service_s=None)
    assert summary.noise_floor is None
    assert "The A/A test of a has no valid pair of trials" in render_decision(summary)
    assert "the A/A test of a has no valid pair of trials" in render_report(summary)
    check = next(c for c in summary.points[0].certificate if c.reason is Reason.MACHINE_NOISE)
    assert (check.outcome, check.found) == (CheckOutcome.NOT_APPLICABLE, Found.AA_TEST_INVALID)
    assert check.text == "a"


def test_an_experiment_without_an_a_a_test_says_so(new_run, contender):
    run = new_run(["a"], rates_rps=[100.0], steady_s=12.0)
    run.simulate([contender("a", 0.003)])
    summary = summarise(load_run(run.folder))
    check = next(c for c in summary.points[0].certificate if c.reason is Reason.MACHINE_NOISE)
    assert check.found is Found.NO_AA_TEST
    assert "The experiment has no A/A test" in render_decision(summary)


def test_the_aa_copy_is_no_contender_of_the_answer(summarised):
    summary = summarised(copy_service_s=0.003)
    assert {p.contender for p in summary.points} == {"a", "b"}
    assert {c.contender for c in summary.capacities} == {"a", "b"}


def test_a_p99_that_is_not_known_twice_leaves_machine_noise_unjudged(summarised):
    summary = summarised(copy_service_s=0.0036)
    floor = summary.noise_floor
    level = floor.levels[0]
    ratios = [
        ratio.model_copy(update={"ratio": None, "low": None, "high": None})
        if ratio.metric is Metric.P99
        else ratio
        for ratio in level.ratios
    ]
    unknown = floor.model_copy(update={"levels": [level.model_copy(update={"ratios": ratios})]})
    check = noise_checks(unknown, ["100rps"], summary.manifest.experiment)["100rps"]
    assert (check.outcome, check.found) == (CheckOutcome.NOT_APPLICABLE, Found.P99_NOT_KNOWN_TWICE)
    assert Metric.P99 not in unknown.largest()
    assert unknown.margins("100rps", 0.05)[Metric.P99] == 0.05
    assert unknown.margins("100rps", 0.05)[Metric.MEAN] > 0.05


@pytest.mark.parametrize(("ratio", "expected"), [(1.0, 0.0), (1.1, 0.1), (1 / 1.1, 0.1)])
def test_spread_is_the_distance_from_one_in_either_direction(ratio, expected):
    assert spread(ratio) == pytest.approx(expected)


def test_the_spread_of_an_unknown_ratio_is_unknown():
    assert spread(None) is None
