"""Closed forms of queueing theory: one server, Poisson arrivals. Times in s, rates per s.

Every function raises PredictError for a utilisation of 1 or more: the queue then has no steady
state.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaln, pdtrc, xlogy

from analysis.predict.values import PredictError
from loadtests.records.percentiles import FloatArray

LARGEST_QUEUE = 1_000_000
_FEWEST_ARRIVALS = 1e-18
"""Probability below which more arrivals during one service are left out."""


def utilisation(rate_rps: float, service_s: float) -> float:
    """Share of time in which the server works; PredictError unless it is below 1."""
    found = rate_rps * service_s
    if not 0 <= found < 1:
        raise PredictError(
            f"expected a utilisation from 0 to below 1, found {found:.3g} "
            f"({rate_rps:g} requests/s of {service_s:g} s each): lower the rate or add a replica."
        )
    return found


def md1_mean_wait_s(rate_rps: float, service_s: float) -> float:
    """Mean time before service in M/D/1 (Pollaczek 1930, Khinchine 1932). Exact."""
    return mg1_mean_wait_s(rate_rps, [service_s], [1.0])


def md1_wait_cdf(rate_rps: float, service_s: float, wait_s: float) -> float:
    """Share of requests in M/D/1 that wait at most wait_s before their service.

    Erlang (1909) and Crommelin (1932) have this as a sum of alternating signs, which loses all
    digits from about 15 service times on. Here it is Franx's sum over the queue's length, of
    positive terms only (G. J. Franx, "A simple solution for the M/D/c waiting time distribution",
    Operations Research Letters 29, 2001, with c = 1). Exact up to rounding: 1e-12.
    """
    utilisation(rate_rps, service_s)
    if wait_s < 0:
        return 0.0
    k = int(wait_s // service_s) + 1
    waiting = _cumulative_waiting(rate_rps * service_s, k)
    return _franx(waiting, rate_rps * (k * service_s - wait_s), k)


def md1_wait_s(rate_rps: float, service_s: float, percentile: float) -> float:
    """The wait before service in M/D/1 that percentile percent of the requests do not exceed.

    The root of md1_wait_cdf; error below 1e-9 of a service time. Holds up to a utilisation of 0.99
    and beyond; at 0.95 it takes some milliseconds.
    """
    rho = utilisation(rate_rps, service_s)
    share = percentile / 100
    if share <= 1 - rho:
        return 0.0
    waiting = _cumulative_waiting(rho, 64)
    k = 1
    while waiting[k - 1] < share:  # the wait is below k services
        k += 1
        if k > len(waiting):
            waiting = _cumulative_waiting(rho, 2 * len(waiting))

    def beyond(u: float) -> float:
        return _franx(waiting, rho * u, k) - share

    u = brentq(beyond, 0.0, 1.0, xtol=1e-10)
    return float(k - u) * service_s


def md1_latency_s(rate_rps: float, service_s: float, percentile: float) -> float:
    """Wait and service together in M/D/1, at a percentile (0 to 100). Exact as md1_wait_s."""
    return md1_wait_s(rate_rps, service_s, percentile) + service_s


def mg1_mean_wait_s(rate_rps: float, service_s: Sequence[float], shares: Sequence[float]) -> float:
    """Mean time before service in M/G/1, for services of these lengths with these shares.

    rate x E[S^2] / (2 (1 - utilisation)): Pollaczek (1930), Khinchine (1932); in any textbook, for
    example L. Kleinrock, "Queueing Systems" I, 1975, 5.7. Exact.
    """
    first, second = _moments(service_s, shares)
    return rate_rps * second / (2 * (1 - utilisation(rate_rps, first)))


def mg1_wait_cdf(
    rate_rps: float, service_s: Sequence[float], shares: Sequence[float], wait_s: float
) -> float:
    """Share of requests in M/G/1 that wait at most wait_s, approximately.

    1 - rho exp(-rho t / E[W]): exact at 0 (rho requests find the server busy) and in its mean, and
    exact throughout for exponential service; in heavy traffic the true tail has that form (Kingman
    1962; H. C. Tijms, "A First Course in Stochastic Models", 2003, 9.2). For constant service the
    P99 of the wait is 17 % too long at a utilisation of 0.5, 9 % at 0.7, 3 % at 0.9, 1.5 % at 0.95.
    """
    if wait_s < 0:
        return 0.0
    rho = utilisation(rate_rps, _moments(service_s, shares)[0])
    if rho == 0:
        return 1.0
    mean_s = mg1_mean_wait_s(rate_rps, service_s, shares)
    return 1 - rho * math.exp(-rho * wait_s / mean_s)


def mg1_latency_s(
    rate_rps: float, service_s: Sequence[float], shares: Sequence[float], percentile: float
) -> float:
    """Wait and service together in M/G/1 at a percentile, with the tail of mg1_wait_cdf."""
    share = percentile / 100

    def beyond(latency_s: float) -> float:
        parts = zip(service_s, shares, strict=True)
        return sum(p * mg1_wait_cdf(rate_rps, service_s, shares, latency_s - s) for s, p in parts)

    high_s = max(service_s)
    while beyond(high_s) < share:
        high_s *= 2
    low_s = min(service_s) * (1 - 1e-9)
    return float(brentq(lambda t: beyond(t) - share, low_s, high_s, xtol=1e-12, rtol=1e-12))


def gpu_batch_mean_latency_bound_s(rate_rps: float, fixed_s: float, item_s: float) -> float:
    """Upper bound on the mean latency where a batch takes all that waits, of any number, and n
    texts take fixed_s + n item_s.

    Y. Inoue, "Queueing analysis of GPU-based inference servers with dynamic batching", Performance
    Evaluation 147, 2021 (arXiv:1912.06322). At most a few percent above the true mean; stable
    while rate x item_s is below 1.
    """
    load = utilisation(rate_rps, item_s)
    together = rate_rps * fixed_s
    phi_0 = (item_s + fixed_s) / (2 * (1 - load)) * (1 + 2 * together + (1 - together) / (1 + load))
    phi_1 = 1.5 * fixed_s / (1 - load) + item_s / 2 * (load + 2) / (1 - load**2)
    return min(phi_0, phi_1)


def poisson_pmf(mean: float) -> FloatArray:
    """Probabilities of 0, 1, 2, ... events, up to where they can be left out: below 1e-18."""
    most = int(mean + 12 * math.sqrt(mean) + 40)
    return _pmf(np.arange(most + 1, dtype=float), mean)


def _pmf(counts: FloatArray, mean: float) -> FloatArray:
    found: FloatArray = np.exp(xlogy(counts, mean) - gammaln(counts + 1.0) - mean)
    return found


def _moments(service_s: Sequence[float], shares: Sequence[float]) -> tuple[float, float]:
    parts = list(zip(service_s, shares, strict=True))
    return sum(p * s for s, p in parts), sum(p * s * s for s, p in parts)


def _franx(waiting: FloatArray, mean: float, k: int) -> float:
    """P(W <= kD - u), mean = rate x u, from P(at most j wait) for j = 0 to k - 1."""
    return float(np.dot(waiting[k - 1 :: -1], _pmf(np.arange(k, dtype=float), mean)))


def _cumulative_waiting(rho: float, n: int) -> FloatArray:
    """P(at most j requests wait, the one in service apart), j = 0 to n - 1, in M/D/1.

    By cuts between neighbouring states of the chain at departures, all terms positive: up over
    the cut above state j as often as down (Tijms 2003, 9.2.2).
    """
    if n > LARGEST_QUEUE:
        raise PredictError(
            f"expected a utilisation at which fewer than {LARGEST_QUEUE:,} wait, found {rho:.6g}: "
            "lower the rate."
        )
    inside = _states(rho, lambda most: np.asarray(pdtrc(np.arange(most), rho), dtype=float), n + 1)
    cumulative: FloatArray = np.minimum(np.cumsum(inside)[1:], 1.0)
    return cumulative


def _states(rho: float, beyond: Callable[[int], FloatArray], n: int) -> FloatArray:
    """P(j requests inside), j = 0 to n - 1; beyond: P(more than j arrive in a service) by j."""
    more = beyond(min(n + 1, 200))
    more = more[more > _FEWEST_ARRIVALS]
    none = math.exp(-rho)
    found = np.zeros(n)
    found[0] = 1 - rho
    for j in range(n - 1):
        # From state 0 the first arrival starts the service; from i >= 1 the served one leaves.
        up = found[0] * more[j] if j < len(more) else 0.0
        first = max(1, j + 2 - len(more))
        states = np.arange(first, j + 1)
        up += float(np.dot(found[first : j + 1], more[j - states + 1]))
        found[j + 1] = up / none
    return found
