"""Load curves with a known law. Nothing here was measured or simulated."""

import numpy as np

from analysis.predict.formulas import md1_latency_s, utilisation
from analysis.predict.load_curve import LoadCurve
from analysis.predict.rates import Resource
from analysis.predict.values import Predicted


def level(rate_rps, latencies_s, **changes):
    figures = {
        "rate_rps": rate_rps,
        "throughput_rps": rate_rps,
        **dict(zip(("p50_s", "p90_s", "p95_s", "p99_s", "p99_9_s"), latencies_s, strict=True)),
        "mean_s": latencies_s[0],
        "mean_batch": 1.0,
        "mean_pass": 1.0,
        "device_busy": 0.5,
        "device_share_of_best": 0.5,
        "cpu_utilisation": 0.5,
        "refused_ratio": 0.0,
        "saturated": False,
        "by": "by hand",
    }
    return Predicted(**figures | changes)


def md1_curve(contender, service_s, **changes):
    """One replica that serves one request at a time."""
    levels = []
    for load in np.linspace(0.02, 0.97, 40):
        rate = load / service_s
        busy = utilisation(rate, service_s)
        latencies_s = [md1_latency_s(rate, service_s, p) for p in (50, 90, 95, 99, 99.9)]
        levels.append(level(rate, latencies_s, **{"device_busy": busy} | changes))
    used_up = {Resource.CORES: 1 / service_s, Resource.DEVICE: 4 / service_s}
    return LoadCurve(contender, tuple(levels), 1 / service_s, used_up)


def flat_curve(contender, latency_s, highest_rps, **changes):
    """One replica that answers after the same time up to its highest rate."""
    levels = tuple(level(r, [latency_s] * 5, **changes) for r in (1.0, highest_rps))
    return LoadCurve(contender, levels, highest_rps, {Resource.DEVICE: highest_rps})
