"""Which arrival rate a contender gets in its next slice of its own, from its slices so far. Pure.

The search starts from a guess of the capacity, steps up to a bracket, bisects it to two
neighbouring rates of the grid, and stays there until the lower one is certified and the miss of the
upper one is proven. Every judgement uses all slices, so that one noisy slice does not decide.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from loadtests.plan.grid import Grid
from loadtests.records.percentiles import least_successes
from loadtests.records.slo import Objective, SloOutcome, miss_is_proven

AIMED_UTILISATION = 1.2
"""Where the first guess aims, by the CPU of a request under little load. Under much load it costs
less: the server wakes up less often and batches more. In four runs of eight to thirteen contenders
the edge lay at 0.96 to 2.2 times full use, in the median at 1.5."""

FIRST_STEP = 1.5
LARGEST_STEP = 2.0
"""The largest step before and after a guess was contradicted. A slice far above capacity leaves a
backlog that must be waited for."""

MOST_GUESSED = 4.0
"""The most that a guess goes beyond what was met: CPU says little of a server that waits."""

MISS_COUNTS = 2
"""A rate is missed where more than a third of its slices missed: where P99 is just the bound, about
so many slices of a few seconds do, because the requests over it come together."""

MOST_UNPROVEN = 4
MOST_UNCERTIFIED = 2
"""Slices at a neighbour of the edge after which the proof of its miss, or its certificate, waits
for other rates: at the edge itself too many requests are over to certify it soon."""

MOST_UNUSABLE = 2
"""Unusable slices after which a rate at which none could be used is no longer tried."""

CURVE_RATES = 5
CURVE_DEPTH = 4.0
"""Rates from capacity down to a quarter of it at which a P99 is wanted, for its curve."""

Certified = Callable[[Sequence[SloOutcome], Objective], bool]


@dataclass(frozen=True)
class SeenSlice:
    """An open-loop slice of one contender. outcomes: one for each SLO, the main one first; empty
    where the client or the machine made the slice unusable. None: not known."""

    rate_rps: float
    outcomes: tuple[SloOutcome, ...]
    server_cpu_s_per_request: float | None = None
    latency_p50_ms: float | None = None


@dataclass(frozen=True)
class Bracket:
    """The edge of one SLO among the rates that were seen: it is met up to met_rps (None: nowhere),
    and missed from missed_rps on (None: nowhere)."""

    met_rps: float | None
    missed_rps: float | None


Windows = Mapping[float, Sequence[SloOutcome]]
"""The outcomes under one SLO by rate, ascending."""


def next_rate(
    seen: Sequence[SeenSlice],
    grid: Grid,
    slos: Sequence[Objective],
    certified: Certified,
    n_server_cores: int = 1,
) -> float:
    """The rate of the next slice: the edge of the main SLO first, then those of the others, then
    the curve of latency below it."""
    rates_rps = _measurable(seen, grid)
    if not any(each.outcomes for each in seen):
        return _nearest(rates_rps or [grid.start_rps], grid.start_rps)
    for number, slo in enumerate(slos):
        windows = _windows(seen, number)
        edge = bracket(windows)
        guess_rps = _guess_rps(seen, edge, n_server_cores)
        rate_rps = _towards_the_edge(edge, windows, rates_rps, slo, guess_rps or 0.0)
        if rate_rps is None:
            rate_rps = _at_the_edge(edge, windows, rates_rps, slo, certified)
        if rate_rps is not None:
            return rate_rps
    return _on_the_curve(_windows(seen, 0), rates_rps, slos[0])


def edge_of(seen: Sequence[SeenSlice], number: int = 0) -> Bracket:
    """Where the edge of the experiment's SLO with this number stands, the main one being 0."""
    return bracket(_windows(seen, number))


def bracket(windows: Windows) -> Bracket:
    """The edge that the fewest slices contradict. A slice contradicts it by missing the SLO at or
    below it, which counts double, or by meeting the SLO above. Of equals the highest."""

    def contradictions(edge_rps: float) -> int:
        return sum(
            MISS_COUNTS * (not window.met) if rate <= edge_rps else window.met
            for rate in windows
            for window in windows[rate]
        )

    edge_rps = min([*sorted(windows, reverse=True), 0.0], key=contradictions)
    missed_rps = min((rate for rate in windows if rate > edge_rps), default=None)
    return Bracket(edge_rps or None, missed_rps)


def _measurable(seen: Sequence[SeenSlice], grid: Grid) -> list[float]:
    """The rates of the grid, without those at which several slices were made and none was
    usable."""
    judged = {each.rate_rps for each in seen if each.outcomes}
    unusable = Counter(each.rate_rps for each in seen if not each.outcomes)
    return [r for r in grid.rates_rps() if r in judged or unusable[r] < MOST_UNUSABLE]


def _windows(seen: Sequence[SeenSlice], number: int) -> Windows:
    judged = [each for each in seen if each.outcomes]
    return {
        rate: [each.outcomes[number] for each in judged if each.rate_rps == rate]
        for rate in sorted({each.rate_rps for each in judged})
    }


def _guess_rps(seen: Sequence[SeenSlice], edge: Bracket, n_server_cores: int) -> float | None:
    """Where the server's CPU would be used to AIMED_UTILISATION (utilisation law: CPU seconds a
    request x rate / cores), by the slices nearest to the edge; None: CPU is unknown."""
    nearest_rps = edge.met_rps or edge.missed_rps
    cpu_s = [
        each.server_cpu_s_per_request
        for each in seen
        if each.rate_rps == nearest_rps and each.server_cpu_s_per_request
    ]
    return AIMED_UTILISATION * n_server_cores * len(cpu_s) / sum(cpu_s) if cpu_s else None


def _towards_the_edge(
    edge: Bracket,
    windows: Windows,
    rates_rps: Sequence[float],
    slo: Objective,
    guess_rps: float,
) -> float | None:
    """The rate that narrows the bracket; None: no rate lies within it. guess_rps 0: none."""
    met_rps, missed_rps = edge.met_rps or 0.0, edge.missed_rps or math.inf
    inside = [rate for rate in rates_rps if met_rps < rate < missed_rps]
    if not inside:
        return None
    if edge.missed_rps is None:
        step_rps = met_rps * _step(sum(rate >= guess_rps for rate in windows), guess_rps)
        wanted = max(guess_rps, min(step_rps, _by_latency_rps(met_rps, windows, slo)))
        wanted = min(wanted, met_rps * MOST_GUESSED)
    else:
        step = _step(sum(rate > missed_rps for rate in windows), guess_rps)
        wanted = min(guess_rps or math.inf, missed_rps / step)
        if wanted < met_rps * LARGEST_STEP:
            wanted = math.sqrt(met_rps * missed_rps)
    return _nearest(inside, wanted)


def _step(n_contradicted: int, guess_rps: float) -> float:
    """How far to go on where n_contradicted rates lay beyond the guess; 0: there is none."""
    return LARGEST_STEP if n_contradicted or not guess_rps else FIRST_STEP


def _by_latency_rps(met_rps: float, windows: Windows, slo: Objective) -> float:
    """Where the latency would reach its bound if it grew as 1 / (1 - rate / highest rate), from the
    least that was seen and what was seen at met_rps; infinite where no growth was seen.

    CPU alone knows little of a server that batches: it is busy long before it is full.
    """
    seen = [w.latency_ms for rate in windows if rate <= met_rps for w in windows[rate]]
    least_ms = min(ms for ms in seen if ms is not None)
    here_ms = median(w.latency_ms for w in windows[met_rps] if w.latency_ms is not None)
    if here_ms <= least_ms:
        return math.inf
    room = (1 - least_ms / slo.latency_ms) / (1 - least_ms / here_ms)
    return met_rps * max(1.0, room)


def _nearest(rates_rps: Sequence[float], wanted_rps: float) -> float:
    return min(rates_rps, key=lambda rate: abs(math.log(rate / wanted_rps)))


def _at_the_edge(
    edge: Bracket,
    windows: Windows,
    rates_rps: Sequence[float],
    slo: Objective,
    certified: Certified,
) -> float | None:
    """The neighbour of the edge that lacks its proof; of two, the one with fewer slices. If a few
    slices do not certify the lower one, the rate below takes its place."""
    lacking = []
    if edge.missed_rps is not None:
        above = windows[edge.missed_rps]
        if len(above) < MOST_UNPROVEN and not miss_is_proven(above):
            lacking.append(edge.missed_rps)
    met_rps = edge.met_rps or 0.0
    for rate in sorted({r for r in (*rates_rps, *windows) if r <= met_rps}, reverse=True):
        below = windows.get(rate, ())
        if below and certified(below, slo):
            break
        if len(below) < MOST_UNCERTIFIED:
            lacking.append(rate)
            break
    return min(lacking, key=lambda rate: len(windows.get(rate, ())), default=None)


def _on_the_curve(windows: Windows, rates_rps: Sequence[float], slo: Objective) -> float:
    """The rate up to the edge that needs the fewest further successes to state its percentile; then
    a new one, until CURVE_RATES have it; then the neighbour of the edge with fewer slices."""
    edge = bracket(windows)
    ends = [rate for rate in (edge.met_rps, edge.missed_rps) if rate is not None]
    if edge.met_rps is None:
        return ends[0]
    known = [rate for rate in windows if rate <= edge.met_rps]
    lacking_s = {rate: _lacking(windows[rate], slo) / rate for rate in known}
    short = [rate for rate in known if lacking_s[rate] > 0]
    if short:
        return min(short, key=lambda rate: lacking_s[rate])
    deep_rps = edge.met_rps / CURVE_DEPTH
    new = [r for r in rates_rps if deep_rps <= r < edge.met_rps and r not in known]
    if len(known) < CURVE_RATES and new:
        return max(new, key=lambda rate: min(abs(math.log(rate / other)) for other in known))
    return min(ends, key=lambda rate: len(windows[rate]))


def _lacking(windows: Sequence[SloOutcome], slo: Objective) -> float:
    """Successes that are still needed to state the SLO's percentile."""
    answered = sum(window.n_offered * (1 - window.error_ratio) for window in windows)
    return least_successes(slo.percentile) - answered
