"""An experiment of a few rounds can reach every verdict."""

import numpy as np
import pytest

from analysis.capacity.certified import Capacity
from analysis.compare.intervals import Metric, intervals
from analysis.compare.ratios import capacity_ratio
from analysis.compare.verdicts import Verdict, decide
from analysis.selfcheck.coverage import Setting, rounds
from analysis.selfcheck.queues import Machine
from loadtests.records.experiment import Slo

N_ROUNDS = 8
QUIET = Setting(rate_rps=75.0, steady_s=4.0, machine=Machine(drift=0.004, stall_share=0.0))
LOUD = Setting(rate_rps=75.0, steady_s=2.5, machine=Machine(drift=0.3, stall_share=0.5))


def verdict_on(metric: Metric, setting: Setting, ratio: float) -> Verdict:
    found = intervals(rounds(np.random.default_rng(3), setting, N_ROUNDS, ratio))[metric]
    return decide(metric, ratio, found, N_ROUNDS, 0.05, 0.05)


@pytest.mark.parametrize("metric", [Metric.P50, Metric.CPU, Metric.P99])
def test_every_verdict_can_be_reached_in_eight_rounds(metric):
    assert verdict_on(metric, QUIET, 0.5) is Verdict.BETTER
    assert verdict_on(metric, QUIET, 2.0) is Verdict.WORSE
    assert verdict_on(metric, LOUD, 1.0) is Verdict.NOT_ENOUGH_EVIDENCE


@pytest.mark.parametrize("metric", [Metric.P50, Metric.CPU])
def test_equal_contenders_can_be_shown_to_be_equal_in_eight_rounds(metric):
    assert verdict_on(metric, QUIET, 1.0) is Verdict.NO_MATERIAL_DIFFERENCE


def test_equal_tails_can_be_shown_to_be_equal():
    pairs = rounds(np.random.default_rng(3), QUIET, N_ROUNDS, 1.0)
    same = [(before, {**after, Metric.P99: before[Metric.P99]}) for before, after in pairs]
    found = intervals(same)[Metric.P99]
    assert decide(Metric.P99, 1.0, found, 8, 0.05, 0.05) is Verdict.NO_MATERIAL_DIFFERENCE


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (130, 150, Verdict.BETTER),
        (60, 80, Verdict.WORSE),
        (98, 102, Verdict.NO_MATERIAL_DIFFERENCE),
        (90, 120, Verdict.NOT_ENOUGH_EVIDENCE),
        (None, None, Verdict.NOT_ENOUGH_EVIDENCE),
    ],
)
def test_every_verdict_can_be_reached_in_capacity(low, high, verdict):
    def known(name, low, high):
        middle = None if low is None else (low * high) ** 0.5
        names = ("estimate_rps", "estimate_low_rps", "estimate_high_rps")
        return Capacity.model_construct(
            contender=name, slo=Slo(), **dict(zip(names, (middle, low, high), strict=True))
        )

    assert capacity_ratio(known("b", low, high), known("a", 99, 101), 0.05).verdict is verdict
