"""When requests arrive and how long their texts are, by seed."""

import numpy as np

from analysis.predict.batch_cost import IntArray
from analysis.predict.values import PredictError, Traffic
from loadtests.records.percentiles import FloatArray


def arrival_times(traffic: Traffic, rate_rps: float, n_requests: int, seed: int) -> FloatArray:
    """Seconds of n_requests arrivals at rate_rps, in order."""
    if rate_rps <= 0:
        raise PredictError(f"expected a rate above 0/s, found {rate_rps:g}: raise it.")
    rng = np.random.default_rng((seed, n_requests, 0))
    mean_s = 1 / rate_rps
    if traffic.gap_cv == 0:
        gaps = np.full(n_requests, mean_s)
    elif traffic.gap_cv == 1:
        gaps = rng.exponential(mean_s, n_requests)
    else:
        shape = traffic.gap_cv**-2
        gaps = rng.gamma(shape, mean_s / shape, n_requests)
    return np.cumsum(gaps)


def length_numbers(traffic: Traffic, n_requests: int, seed: int) -> IntArray:
    """For each request, which of the traffic's lengths its text has."""
    # A stream of its own: lengths stay the same when the rate or the gaps change.
    rng = np.random.default_rng((seed, n_requests, 1))
    shares = np.asarray(traffic.shares) / sum(traffic.shares)
    return np.searchsorted(np.cumsum(shares)[:-1], rng.random(n_requests), side="right")
