"""The prediction in closed form, for the fronts whose queue the literature solves."""

import numpy as np

from analysis.predict.formulas import md1_latency_s, mg1_latency_s, mg1_mean_wait_s, utilisation
from analysis.predict.rates import Prepared
from analysis.predict.values import Predicted
from loadtests.records.experiment import PERCENTILES

MD1, MG1 = "M/D/1", "M/G/1"


def closed_form(prepared: Prepared, rate_rps: float) -> Predicted | None:
    """One request at a time in one thread that does everything, Poisson arrivals: M/D/1 for texts
    of one length, M/G/1 with the tail of formulas.mg1_wait_cdf for several. None for other fronts,
    for other arrivals, and from the highest rate on."""
    front, costs, traffic = prepared.front, prepared.costs, prepared.traffic
    if front.passes != "in-handler" or traffic.gap_cv != 1 or front.max_in_progress:
        return None
    if rate_rps >= prepared.highest_rate_rps:
        return None
    shares = np.bincount(costs.class_of, weights=traffic.shares).tolist()
    services_s = [front.request_cpu_s + float(each) for each in costs.pass_s[:, 1]]
    mean_s = float(np.dot(services_s, shares))
    host_s = float(np.dot(costs.host_s[:, 1], shares))
    alike = len(services_s) == 1

    def latency_s(percentile: float) -> float:
        if alike:
            return md1_latency_s(rate_rps, mean_s, percentile) + front.overhead_s
        return mg1_latency_s(rate_rps, services_s, shares, percentile) + front.overhead_s

    p50_s, p90_s, p95_s, p99_s, p99_9_s = (latency_s(each) for each in PERCENTILES)
    return Predicted(
        rate_rps=rate_rps,
        throughput_rps=rate_rps,
        p50_s=p50_s,
        p90_s=p90_s,
        p95_s=p95_s,
        p99_s=p99_s,
        p99_9_s=p99_9_s,
        mean_s=mg1_mean_wait_s(rate_rps, services_s, shares) + mean_s + front.overhead_s,
        mean_batch=1.0,
        mean_pass=1.0,
        device_busy=utilisation(rate_rps, mean_s - front.request_cpu_s),
        device_share_of_best=rate_rps / prepared.best_rps,
        cpu_utilisation=rate_rps
        * (front.request_cpu_s + host_s * front.pass_cores)
        / front.n_cores,
        refused_ratio=0.0,
        saturated=False,
        by=MD1 if alike else MG1,
    )
