"""Closed forms beside the simulation of the same front."""

from dataclasses import replace

import pytest

from analysis.predict.closed_form import closed_form
from analysis.predict.path import predict_at
from analysis.predict.rates import prepare
from analysis.predict.values import Front, Traffic

from .devices import LinearDevice

DEVICE = LinearDevice(fixed_s=0.002, token_s=2e-5, host_share=0.5)
BLOCKING = Front("blocking", 0.0005, passes="in-handler", overhead_s=0.0004)
ONE, MIXED = Traffic.of_one_length(50), Traffic((10, 50, 120), (0.5, 0.4, 0.1))


@pytest.mark.parametrize(("traffic", "by", "tail"), [(ONE, "M/D/1", 0.05), (MIXED, "M/G/1", 0.15)])
@pytest.mark.parametrize("load", [0.3, 0.7, 0.9])
def test_a_blocking_front_is_predicted_alike_by_formula_and_by_simulation(traffic, by, tail, load):
    prepared = prepare(BLOCKING, DEVICE, traffic)
    rate = load * prepared.highest_rate_rps
    exact, simulated = closed_form(prepared, rate), predict_at(prepared, rate, 1_500_000)
    assert exact.by == by
    assert simulated.mean_s == pytest.approx(exact.mean_s, rel=0.04)
    assert simulated.p99_s == pytest.approx(exact.p99_s, rel=tail)
    for figure in ("device_busy", "cpu_utilisation", "device_share_of_best", "mean_batch"):
        assert getattr(simulated, figure) == pytest.approx(getattr(exact, figure), rel=0.02)


@pytest.mark.parametrize("changes", [{"passes": "on-loop"}, {"passes": "apart"}])
def test_a_front_that_no_formula_describes_has_none(changes):
    assert closed_form(prepare(replace(BLOCKING, **changes), DEVICE, ONE), 10) is None


def test_arrivals_that_bunch_have_no_formula():
    assert closed_form(prepare(BLOCKING, DEVICE, replace(ONE, gap_cv=2.0)), 10) is None


def test_a_rate_that_is_not_sustained_has_no_formula():
    prepared = prepare(BLOCKING, DEVICE, ONE)
    assert closed_form(prepared, prepared.highest_rate_rps) is None
