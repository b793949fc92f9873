from types import SimpleNamespace

import numpy as np
import pytest

from analysis.capacity import certified, rate_judgement
from analysis.capacity.certified import CapacityStatus, capacities, ratio_of
from analysis.capacity.rate_judgement import Judgement, missed, slices_under
from analysis.read.run import load_run
from analysis.report.summary import summarise
from loadtests.records.experiment import Slo
from loadtests.records.steady_state import SteadyState

SLO = Slo(percentile=99, latency_ms=100, max_error_ratio=0.001)
EXPERIMENT = SimpleNamespace(
    slos=[SLO], contenders=["a"], seed=1, capacity=SimpleNamespace(resolution=1.1)
)


def trial(rate_rps, n_over, n=1000, n_failed=0, saturated=False, **invalid):
    """A judged slice of n requests of which n_over, evenly spread, took 200 ms, the others 10."""
    latency_s = np.full(n - n_failed, 0.01)
    latency_s[np.linspace(0, len(latency_s) - 1, n_over).astype(int)] = 0.2
    result = SimpleNamespace(
        trial_id=f"t{rate_rps:g}",
        contender="a",
        rate_rps=rate_rps,
        usable=invalid.get("usable", True),
        saturated=saturated,
        server_may_be_at_fault=invalid.get("blames_server", False),
        only_drifted=invalid.get("drifted", False),
        purpose=invalid.get("purpose", "search"),
        mode="open",
        slowness_us=invalid.get("slowness_us"),
    )
    sample = SteadyState(
        window_s=1.0,
        n_offered=n,
        n_failed=n_failed,
        padded_tokens=np.zeros(len(latency_s), np.int16),
        **dict.fromkeys(("scheduled_s", "send_lag_s", "done_s"), np.zeros(len(latency_s))),
        **dict.fromkeys(("latency_s", "service_time_s", "done_in_window_latency_s"), latency_s),
    )
    return SimpleNamespace(result=result, sample=sample)


def capacity(contender, slo, trials):
    return certified.capacity(contender, slo, slices_under(slo, trials))


def judged(*trials) -> list[Judgement]:
    return [rate.judgement for rate in capacity("a", SLO, trials).rates]


def test_few_overruns_certify_p99_and_more_do_not():
    assert judged(trial(100, 5, n=2000)) == [Judgement.CERTIFIED]
    assert judged(trial(100, 15, n=2000)) == [Judgement.MET]


def test_more_than_one_percent_over_is_not_met():
    assert judged(trial(100, 10), trial(100, 10)) == [Judgement.MET]
    assert judged(trial(100, 11), trial(100, 11)) == [Judgement.NOT_MET]


def test_one_window_proves_a_miss_only_with_most_of_its_requests_over():
    assert judged(trial(100, 400)) == [Judgement.UNDECIDED]
    assert judged(trial(100, 400), trial(100, 0)) == [Judgement.UNDECIDED]
    assert judged(trial(100, 501)) == [Judgement.NOT_MET]


def test_a_window_that_missed_at_a_lower_rate_is_evidence_at_a_higher_one():
    lower = trial(100, 5, n=300)
    assert judged(lower, trial(150, 100)) == [Judgement.UNDECIDED, Judgement.NOT_MET]
    between = [lower, trial(120, 0), trial(150, 100)]
    assert judged(*between) == [Judgement.UNDECIDED, Judgement.CERTIFIED, Judgement.UNDECIDED]


def test_trials_of_one_rate_are_judged_together():
    assert judged(trial(100, 5), trial(100, 3)) == [Judgement.CERTIFIED]  # 8 where 20 are expected


def test_few_requests_decide_nothing_unless_the_bound_does():
    assert judged(trial(100, 0, n=580)) == [Judgement.MET]
    assert judged(trial(100, 0, n=581)) == [Judgement.CERTIFIED]
    assert judged(trial(100, 3, n=150), trial(100, 2, n=150)) == [Judgement.UNDECIDED]
    assert judged(trial(100, 25, n=150), trial(100, 25, n=150)) == [Judgement.NOT_MET]


def test_errors_above_the_budget_are_not_met():
    assert judged(trial(100, 0, n_failed=1)) == [Judgement.CERTIFIED]
    assert judged(trial(100, 0, n_failed=2)) == [Judgement.UNDECIDED]
    assert judged(trial(100, 0, n_failed=2), trial(100, 0, n_failed=2)) == [Judgement.NOT_MET]


def test_a_saturated_trial_is_not_met_however_quick():
    saturated = trial(100, 0, n_failed=50, saturated=True)
    assert judged(saturated, saturated) == [Judgement.NOT_MET]
    assert judged(trial(100, 600, saturated=True)) == [Judgement.NOT_MET]


def test_an_invalid_trial_is_left_out_where_the_client_was_at_fault():
    found = capacity("a", SLO, [trial(100, 0), trial(100, 900, usable=False)])
    assert found.rates[0].judgement is Judgement.CERTIFIED
    assert (found.rates[0].n_requests, found.rates[0].n_invalid) == (1000, 1)


def test_an_invalid_trial_that_the_server_may_have_spoilt_prevents_certification():
    blamed = trial(100, 900, usable=False, blames_server=True)
    assert judged(trial(100, 0), blamed) == [Judgement.UNDECIDED]


def test_a_trial_that_drifted_must_agree_with_the_others_of_its_rate():
    drifted = {"usable": False, "blames_server": True, "drifted": True}
    assert judged(trial(100, 0), trial(100, 4, **drifted)) == [Judgement.CERTIFIED]
    assert judged(trial(100, 0), trial(100, 40, **drifted)) == [Judgement.UNDECIDED]


def test_a_slice_that_drifted_away_beyond_the_slo_is_a_miss():
    drifted = {"usable": False, "blames_server": True, "drifted": True}
    assert judged(trial(100, 600, **drifted)) == [Judgement.NOT_MET]
    others = [trial(100, 0), trial(142, 40, **drifted), trial(142, 60)]
    assert judged(*others) == [Judgement.CERTIFIED, Judgement.NOT_MET]


def test_a_slice_that_drifted_within_the_slo_certifies_nothing():
    drifted = {"usable": False, "blames_server": True, "drifted": True}
    assert judged(trial(100, 0, **drifted)) == [Judgement.UNDECIDED]


def test_an_overload_that_was_not_answered_is_a_rate_that_is_missed():
    slices = [trial(rate_rps, 0) for rate_rps in (50, 60, 80, 100)]
    overload = trial(200, 900, saturated=True, purpose="overload")
    found = capacities([*slices, overload, overload], EXPERIMENT)[0]
    assert (found.certified_rps, found.not_met_rps) == (100, 200)
    unbounded = capacities(slices, EXPERIMENT)[0]
    assert found.estimate_low_rps == unbounded.estimate_low_rps
    assert 100 < found.estimate_rps < found.estimate_high_rps <= 200


def test_a_slice_of_a_slow_machine_counts_as_one_of_a_higher_rate():
    usual = [trial(rate_rps, 0, slowness_us=90) for rate_rps in (50, 60, 70, 80)]
    usual += [trial(rate_rps, 900, saturated=True, slowness_us=90) for rate_rps in (110, 121)]
    slow = trial(80, 900, saturated=True, slowness_us=90 * 1.1**3)
    known = capacities([*usual, slow], EXPERIMENT)[0]
    unknown = capacities([*usual, trial(80, 900, saturated=True)], EXPERIMENT)[0]
    assert unknown.estimate_rps < 80 < known.estimate_rps


def test_rates_that_drift_leaves_met_are_not_certified_by_them():
    drifted = {"usable": False, "blames_server": True, "drifted": True}
    assert judged(trial(100, 0, n=580), trial(100, 0, n=100, **drifted)) == [Judgement.MET]


def test_an_overload_that_was_answered_says_nothing_of_capacity():
    overload = trial(200, 0, purpose="overload")
    assert [r.rate_rps for r in capacities([trial(100, 0), overload], EXPERIMENT)[0].rates] == [100]


def test_the_capacity_is_the_highest_certified_rate_and_its_interval_ends_where_it_is_missed():
    found = capacity("a", SLO, [trial(50, 0), trial(100, 0), trial(119, 7), trial(142, 600)])
    assert (found.certified_rps, found.met_rps, found.not_met_rps) == (100, 119, 142)
    assert (found.n_requests, found.trial_ids) == (1000, ["t100"])
    assert found.status is CapacityStatus.MET_ABOVE


def test_without_a_missed_rate_it_is_a_lower_bound():
    found = capacity("a", SLO, [trial(50, 0)])
    assert (found.certified_rps, found.not_met_rps) == (50, None)
    assert found.status is CapacityStatus.LOWER_BOUND


def test_a_rate_missed_below_one_that_was_met_counts_and_is_said():
    found = capacity("a", SLO, [trial(50, 0), trial(100, 600), trial(119, 0)])
    assert (found.certified_rps, found.not_met_rps) == (50, 100)
    assert (found.status, found.certified_above_rps) == (CapacityStatus.NOT_MONOTONE, 119)


def test_no_trial_means_that_no_rate_was_tried():
    assert capacity("a", SLO, []).status is CapacityStatus.NOT_TRIED


@pytest.mark.parametrize(
    ("trials", "status"),
    [
        ([trial(50, 0), trial(100, 600)], CapacityStatus.MISSED_NEXT),
        ([trial(50, 600)], CapacityStatus.NEVER_MET),
        ([trial(50, 8)], CapacityStatus.MET_NOT_CERTIFIED),
        ([trial(50, 400)], CapacityStatus.UNDECIDED),
        ([trial(50, 0), trial(80, 400), trial(100, 600)], CapacityStatus.UNDECIDED_ABOVE),
    ],
)
def test_how_well_a_capacity_is_known_follows_from_its_rates(trials, status):
    assert capacity("a", SLO, trials).status is status


@pytest.mark.parametrize(
    ("rate_rps", "judgement"),
    [
        (20, Judgement.CERTIFIED),
        (100, Judgement.CERTIFIED),
        (110, Judgement.MET),
        (130, Judgement.UNDECIDED),
        (142, Judgement.NOT_MET),
        (500, Judgement.NOT_MET),
    ],
)
def test_a_capacity_judges_every_rate(rate_rps, judgement):
    found = capacity("a", SLO, [trial(100, 0), trial(119, 7), trial(142, 600)])
    assert found.judged(rate_rps) is judgement


def test_the_ratio_of_two_capacities_has_the_interval_of_both():
    slow = capacity("a", SLO, [trial(100, 0), trial(125, 600)])
    fast = capacity("b", SLO, [trial(300, 0), trial(400, 600)])
    assert ratio_of(fast, slow) == (300 / 125, 3.0, 4.0)
    assert ratio_of(capacity("c", SLO, [trial(300, 0)]), slow) == (300 / 125, 3.0, None)
    assert ratio_of(fast, None) == (None, None, None)


def test_missed_is_the_other_side_of_certified():
    # P(at least 16 of 1,000 | 1 %) = 0.047, P(at least 15) = 0.081.
    assert missed(1000, 16, 99)
    assert not missed(1000, 15, 99)


def test_several_objectives_are_judged_from_the_same_trials(new_run, contender):
    strict = {"percentile": 50, "latency_ms": 3.5, "max_error_ratio": 0.001}
    run = new_run(["a"], rates_rps=[50.0, 400.0], steady_s=40.0, more_slos=[strict])
    run.calibrate("null-http", "http-json", 4000)
    run.simulate([contender("a", 0.002)], purpose="search")
    main, other = summarise(load_run(run.folder)).capacities
    assert (main.slo.percentile, main.certified_rps, main.not_met_rps) == (99, 400, None)
    assert (other.slo.percentile, other.certified_rps, other.not_met_rps) == (50, 50, 400)


def test_each_slice_is_judged_once_by_itself(monkeypatch):
    pooled, alone = rate_judgement.pooled_outcome, []

    def counted(samples, slo):
        alone.extend(samples if len(samples) == 1 else ())
        return pooled(samples, slo)

    monkeypatch.setattr(rate_judgement, "pooled_outcome", counted)
    trials = [trial(100, 0), trial(100, 0, usable=False, drifted=True), trial(119, 7)]
    capacities(trials, EXPERIMENT)
    assert [id(sample) for sample in alone] == [id(each.sample) for each in trials]
