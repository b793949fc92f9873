import numpy as np
import pytest

from analysis.capacity import estimate as estimates
from analysis.capacity.estimate import (
    POWERS,
    SCATTERS,
    Estimate,
    Evidence,
    Slice,
    ratio,
    scatter,
)


def estimate(slices, scatters=None, overloads=()):
    return estimates.estimate(Evidence(slices), scatters, overloads)


def slices(met=(), missed=()):
    return [Slice(rate, True) for rate in met] + [Slice(rate, False) for rate in missed]


def drawn(rng, edge_rps, scattered, n):
    """Slices around an edge that lies elsewhere in each of them."""
    rates_rps = edge_rps * np.exp(rng.uniform(-0.3, 0.3, n))
    missed = np.log(rates_rps / edge_rps) - 0.84 * scattered > rng.normal(0, scattered, n)
    return [
        Slice(float(rate_rps), not each) for rate_rps, each in zip(rates_rps, missed, strict=True)
    ]


def test_the_edge_lies_between_what_was_met_and_what_was_missed():
    found = estimate(slices([100] + [200] * 6, [220] * 6 + [400]))
    assert 180 < found.low_rps < found.rps < found.high_rps < 240


def test_at_the_edge_one_slice_of_five_misses():
    found = estimate(slices([100] * 4 + [200] * 32, [200] * 8 + [300] * 4))
    assert found.rps == pytest.approx(200, rel=0.03)


def test_an_estimate_never_leaves_the_rates_that_were_tried():
    found = estimate(slices([80] * 3 + [100] * 6, [150] * 6))
    assert 80 <= found.low_rps < found.high_rps <= 150


def test_an_edge_that_may_lie_below_every_rate_tried_is_not_estimated():
    assert estimate(slices(missed=[100, 120, 140, 160])) is None


def test_of_an_edge_that_may_lie_above_every_rate_tried_a_lower_end_is_known():
    found = estimate(slices(met=[100, 120, 140, 160]))
    assert (found.rps, found.high_rps) == (None, None)
    assert 120 < found.low_rps <= 160


def test_an_overload_that_was_not_answered_bounds_it_from_above_and_leaves_the_lower_end():
    met = slices(met=[100, 120, 140, 160])
    found = estimate(met, overloads=[Slice(320, False)] * 2)
    assert found.low_rps <= estimate(met).low_rps < found.rps < found.high_rps <= 320


def test_few_slices_estimate_nothing():
    assert estimate(slices([100], [200])) is None


def test_one_slice_that_missed_far_below_moves_the_edge_little():
    far = slices([100, 150] + [200] * 6, [240] * 6)
    assert estimate([*far, Slice(75, False)]).rps == pytest.approx(estimate(far).rps, rel=0.05)


def test_a_slice_on_a_slow_machine_counts_as_one_at_a_higher_rate_as_far_as_the_run_shows_it():
    steady = [Slice(rate, rate <= 200) for rate in (100, 150, 180, 190, 200, 210, 220, 250) * 3]
    slow = [Slice(rate, rate <= 200 / 1.5, 1.5) for rate in (100, 120, 130, 140, 160, 180) * 3]
    shown, unseen = scatter([Evidence(steady + slow)]), scatter([Evidence(steady)])
    by_power, unknown = (np.exp(each).sum(axis=1) for each in (shown, unseen))
    assert POWERS[by_power.argmax()] == 1
    assert by_power.max() > 0.9 > unknown.max()
    assert estimate(steady + slow, shown).rps == pytest.approx(195, rel=0.05)


def test_more_slices_at_the_edge_narrow_the_interval():
    few, many = (estimate(slices([100] + [200] * n, [220] * n + [400])) for n in (3, 12))
    assert many.high_rps / many.low_rps < few.high_rps / few.low_rps


def test_slices_that_contradict_each_other_widen_it():
    agreed = estimate(slices([100, 150, 150, 180, 180], [200, 200, 250, 250]))
    contradicting = estimate(slices([100, 150, 180, 200, 200], [150, 180, 250, 250]))
    assert contradicting.high_rps / contradicting.low_rps > agreed.high_rps / agreed.low_rps


@pytest.mark.parametrize("scattered", [0.03, 0.15])
def test_how_much_slices_scatter_is_seen_from_all_contenders(scattered):
    rng = np.random.default_rng(3)
    found = np.exp(scatter([Evidence(drawn(rng, 200.0, scattered, 25)) for _ in range(8)]))
    assert found.sum() == pytest.approx(1)
    assert (found.sum(axis=0) * SCATTERS).sum() == pytest.approx(scattered, rel=0.35)


def test_the_likelihood_of_slices_is_computed_once(monkeypatch):
    whole, seen = estimates._log_likelihood, []

    def counted(slices, log_edges):
        seen.append(slices)
        return whole(slices, log_edges)

    monkeypatch.setattr(estimates, "_log_likelihood", counted)
    first, second = (Evidence(slices([100] + [n] * 6, [n + 20] * 6)) for n in (200, 300))
    scatters = scatter([first, second])
    assert estimates.estimate(first, scatters).rps < estimates.estimate(second, scatters).rps
    assert seen == [first.slices, second.slices]


def test_a_ratio_of_two_estimates_is_as_unsure_as_both():
    low, middle, high = ratio(Estimate(200, 180, 220), Estimate(100, 100, 100))
    assert (low, middle, high) == (pytest.approx(1.8), pytest.approx(2), pytest.approx(2.2))
    wider = ratio(Estimate(200, 180, 220), Estimate(100, 90, 110))
    assert wider[0] < low < high < wider[2]
    assert ratio(None, Estimate(100, 90, 110)) == (None, None, None)


def test_a_lower_end_alone_bounds_the_ratio_on_its_side():
    known, at_least = Estimate(100, 80, 120), Estimate(None, 300, None)
    assert ratio(at_least, known) == (pytest.approx(2.5), None, None)
    assert ratio(known, at_least) == (None, None, pytest.approx(0.4))
    assert ratio(at_least, at_least) == (None, None, None)
