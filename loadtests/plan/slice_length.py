"""How long a slice settles and is measured at a rate, from what was seen of its contender. Pure.

A queue that starts empty needs time to fill, and a slice that is measured before shows too short a
tail. The distance of an M/M/1 queue from its steady state decays as exp(-t / tau) with the
relaxation time tau = S / (1 - sqrt(rho))^2, S the service time and rho the utilisation (Morse,
Operations Research 3, 1955; Cohen, The Single Server Queue, 1982; Abate and Whitt, Queueing
Systems 2, 1987). With less variable service it is shorter, so that the rule is on the safe side.

Slices at one rate that follow each other without a drain are one longer slice: both start from one
empty queue and settle once, and their windows share the queue's state as neighbouring parts of one
window do. So a slice near saturation is made longer, and none is repeated without a drain.
"""

import math
from collections.abc import Sequence

from loadtests.plan.adapt import SeenSlice
from loadtests.records.experiment import LoadSpec
from loadtests.records.trials import Phases

SETTLE_TAUS = 2.0
MEASURE_SETTLES = 2.5
"""Relaxation times to settle; and how many times as long to measure at least, so that the steady
state is 70 % of a slice."""

MOST_SETTLE_S = 3.0
MOST_MEASURE_S = 8.0

FEWEST_REQUESTS = 300
"""What one slice should offer, where MOST_MEASURE_S allows: a P99 is certified with 95 % confidence
from 299 requests on."""


def phases_for(
    load: LoadSpec, rate_rps: float, seen: Sequence[SeenSlice], n_server_cores: int
) -> Phases:
    """Settling and measuring time of a slice at this rate of a contender's own."""
    settle_s = settle_for(load, rate_rps, seen, n_server_cores)
    wanted_s = max(MEASURE_SETTLES * settle_s, FEWEST_REQUESTS / rate_rps)
    return Phases(settle_s, max(load.steady_s, min(MOST_MEASURE_S, wanted_s)))


def settle_for(
    load: LoadSpec, rate_rps: float, seen: Sequence[SeenSlice], n_server_cores: int
) -> float:
    """At least the load's warm-up; at most MOST_SETTLE_S beyond it. A server that is known not to
    keep up has no steady state to wait for, and each further second adds to its backlog."""
    rho = utilisation(rate_rps, seen, n_server_cores)
    if rho is None or any(_saturated(each) and each.rate_rps <= rate_rps for each in seen):
        return load.warmup_s
    tau_s = relaxation_s(rate_rps, rho)
    return max(load.warmup_s, min(MOST_SETTLE_S, SETTLE_TAUS * tau_s))


def relaxation_s(rate_rps: float, rho: float) -> float:
    """tau of a queue with this utilisation, its service time being rho / rate: that of all cores
    together."""
    return rho / rate_rps / (1 - math.sqrt(rho)) ** 2 if rho < 1 else math.inf


def utilisation(rate_rps: float, seen: Sequence[SeenSlice], n_server_cores: int) -> float | None:
    """Expected at this rate: by the CPU seconds a request of the slices at the nearest rate, and by
    the lowest rate that saturated the server; the larger of both. None: neither is known."""
    known = [each for each in seen if each.server_cpu_s_per_request]
    found = [rate_rps / each.rate_rps for each in seen if _saturated(each)]
    if known:
        nearest_rps = min(known, key=lambda each: abs(math.log(each.rate_rps / rate_rps))).rate_rps
        cpu_s = [e.server_cpu_s_per_request or 0.0 for e in known if e.rate_rps == nearest_rps]
        found.append(rate_rps * sum(cpu_s) / len(cpu_s) / n_server_cores)
    return max(found, default=None)


def _saturated(seen: SeenSlice) -> bool:
    return any(outcome.saturated for outcome in seen.outcomes)
