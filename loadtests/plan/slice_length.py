"""How long a slice settles and is measured at a rate, from what was seen of its contender. Pure.

A queue that starts empty needs time to fill; a slice that is measured earlier shows too short a
tail. The distance of an M/M/1 queue from its steady state decays as exp(-t / tau) with the
relaxation time tau = S / (1 - sqrt(rho))^2, S the service time and rho the utilisation (Morse,
Operations Research 3, 1955; Cohen, The Single Server Queue, 1982; Abate and Whitt, Queueing
Systems 2, 1987). With less variable service it is shorter, so the rule errs on the safe side.

Two slices at one rate without a drain between them would be one longer slice: one start from an
empty queue, one settling. So a slice near saturation is made longer instead of being repeated.
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

MOST_SETTLE_S = 2.0
MOST_MEASURE_S = 5.0
"""So that a slice near saturation costs at most two others. At 95 % load a queue may need longer:
its P99 is then far above that of the rates around it, and too low by less than the rate is known
(loadtests.selfcheck.short_slices)."""

FEWEST_REQUESTS = 600
"""What one slice should offer, where MOST_MEASURE_S allows: a P99 is certified from about as many
requests on (loadtests.records.slo.certified)."""


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
    """Seconds to settle: at least the load's warm-up, and beyond that at most MOST_SETTLE_S. A
    server that will not keep up has no steady state to wait for, and each second adds to its
    backlog."""
    rho = utilisation(rate_rps, seen, n_server_cores)
    if rho is None or rho >= 1:
        return load.warmup_s
    return max(load.warmup_s, min(MOST_SETTLE_S, SETTLE_TAUS * relaxation_s(rate_rps, rho)))


def relaxation_s(rate_rps: float, rho: float) -> float:
    """tau of a queue with this utilisation; rho / rate is the service time, all cores together."""
    return rho / rate_rps / (1 - math.sqrt(rho)) ** 2


def utilisation(rate_rps: float, seen: Sequence[SeenSlice], n_server_cores: int) -> float | None:
    """The utilisation expected at this rate; None: not known. It is the larger of two figures: by
    the lowest rate that saturated the server, and by the CPU seconds a request at the nearest rate.
    Where the server keeps up, it is at most what the latency seen at this rate allows.

    A server that batches is busy long before it is near its capacity, so its latency counts too: no
    queue with random arrivals waits less than W = rho S / (2 (1 - rho)), that of constant service
    (Pollaczek and Khinchine). So 1 - rho is at least about 1 / (2 x rate x W).
    """
    found = [rate_rps / rate for rate in {each.rate_rps for each in seen} if _saturates(rate, seen)]
    if max(found, default=0) >= 1:
        return max(found)
    known = [each for each in seen if each.server_cpu_s_per_request]
    if known:
        nearest_rps = min(known, key=lambda each: abs(math.log(each.rate_rps / rate_rps))).rate_rps
        cpu_s = [e.server_cpu_s_per_request or 0.0 for e in known if e.rate_rps == nearest_rps]
        found.append(rate_rps * sum(cpu_s) / len(cpu_s) / n_server_cores)
    waits_s = [e.latency_p50_ms / 1000 for e in seen if e.rate_rps == rate_rps and e.latency_p50_ms]
    if waits_s and found:
        found = [min(max(found), max(0.0, 1 - 1 / (2 * rate_rps * max(waits_s))))]
    return max(found, default=None)


def _saturates(rate_rps: float, seen: Sequence[SeenSlice]) -> bool:
    """Whether most slices at this rate were saturated."""
    judged = [e.outcomes[0].saturated for e in seen if e.rate_rps == rate_rps and e.outcomes]
    return 2 * sum(judged) > len(judged)
