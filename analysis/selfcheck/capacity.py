"""The capacity that was found for simulated services, against the one their laws have."""

from collections.abc import Sequence

import numpy as np

from analysis.capacity.certified import Capacity
from analysis.capacity.load_points import grouped
from analysis.capacity.rate_judgement import CapacityRate, Judgement
from analysis.selfcheck.findings import CAPACITY_STEP, CapacityCheck
from analysis.selfcheck.laws import Law, true_capacity_rps
from analysis.selfcheck.replay import Replayed, tolerance_ms
from loadtests.records.experiment import Slo
from loadtests.records.percentiles import nearest_rank

LONG_RUN_REQUESTS = 50_000
"""Simulated at each rate to find the long-run capacity: up to a quarter above the highest rate that
was tried."""


def check_capacity(found: Capacity, replays: Sequence[Replayed]) -> CapacityCheck:
    """One contender under one SLO; replays: its trials of every rate."""
    law = replays[0].law
    by_rate = grouped(replays, lambda r: r.judged.result.rate_rps or 0.0)
    judged = [
        agrees
        for rate in found.rates
        if rate.rate_rps in by_rate
        and (agrees := _agrees(rate, by_rate[rate.rate_rps], found.slo)) is not None
    ]
    return CapacityCheck(
        contender=found.contender,
        law=str(law),
        slo=str(found.slo),
        true_rps=_long_run_rps(law, found),
        certified_rps=found.certified_rps,
        not_met_rps=found.not_met_rps,
        estimate_rps=found.estimate_rps,
        estimate_low_rps=found.estimate_low_rps,
        estimate_high_rps=found.estimate_high_rps,
        n_clear=len(judged),
        n_right=sum(judged),
    )


def _agrees(rate: CapacityRate, replays: Sequence[Replayed], slo: Slo) -> bool | None:
    """Whether a rate was judged as the law judges the same requests; None: it was not judged, or
    the truth lies so near the bound that the tolerance decides."""
    used = [r for r in replays if r.judged.result.trial_id in rate.trial_ids]
    if not used or rate.judgement is Judgement.UNDECIDED:
        return None
    at_percentile_s = nearest_rank(np.concatenate([r.truth_s for r in used]), slo.percentile)
    truth_ms = (at_percentile_s or 0.0) * 1000
    if abs(truth_ms - slo.latency_ms) <= tolerance_ms(truth_ms):
        return None
    return (truth_ms < slo.latency_ms) == (rate.judgement is not Judgement.NOT_MET)


def _long_run_rps(law: Law, found: Capacity) -> float | None:
    tried_rps = [rate.rate_rps for rate in found.rates]
    n_rates = int(np.log(1.25 * max(tried_rps) / min(tried_rps)) / np.log(CAPACITY_STEP)) + 1
    rates_rps = min(tried_rps) * CAPACITY_STEP ** np.arange(n_rates)
    slo = found.slo
    return true_capacity_rps(
        law, slo.latency_ms, slo.percentile, rates_rps.tolist(), LONG_RUN_REQUESTS
    )
