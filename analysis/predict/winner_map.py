"""Who is the cheapest that meets a bound, over arrival rates and bounds; and where that changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.predict.load_curve import LoadCurve
from analysis.predict.plan import met_as_measured, replicas_known, replicas_needed
from analysis.predict.values import PredictError
from loadtests.records.experiment import Slo

RATES_RPS = tuple(float(rate) for rate in np.geomspace(10, 10_000, 30))
BOUNDS_MS = tuple(float(bound) for bound in np.geomspace(5, 500, 12))
SCANNED = 400
PRECISION = 1e-3


@dataclass(frozen=True)
class WinnerCell:
    """One rate and one bound. winner: the cheapest that meets it, of several that cost the same the
    first in the order given; None: nobody does. also: the others at that cost. measured: the winner
    was measured at rates on both sides, and one replica is enough; False: predicted."""

    rate_rps: float
    bound_ms: float
    winner: str | None
    also: tuple[str, ...] = ()
    replicas: int | None = None
    cost_per_hour: float | None = None
    measured: bool = False


@dataclass(frozen=True)
class WinnerMap:
    """cells: by bound, ascending, then by rate, ascending."""

    percentile: float
    rates_rps: tuple[float, ...]
    bounds_ms: tuple[float, ...]
    cells: tuple[tuple[WinnerCell, ...], ...]


@dataclass(frozen=True)
class Crossover:
    """From rate_rps on, contender costs more than other for the same bound. low_rps and high_rps:
    where that would be if both predicted rates were wrong by the error stated, against each other.
    None: not up to the highest rate asked for.
    """

    contender: str
    other: str
    rate_rps: float | None
    low_rps: float | None
    high_rps: float | None
    error: float


def winner_map(
    curves: Sequence[LoadCurve],
    prices: Mapping[str, float] | None = None,
    percentile: float = 99.0,
    rates_rps: Sequence[float] = RATES_RPS,
    bounds_ms: Sequence[float] = BOUNDS_MS,
    measured: Mapping[str, LoadCurve] | None = None,
) -> WinnerMap:
    """curves in the order in which a tie is decided: the simplest to run first. Without prices an
    hour of every replica costs 1. measured: by contender; counts in place of its prediction for the
    bounds that it answers."""
    if not curves:
        raise PredictError("expected at least one contender for the winner map, found none.")
    rows = []
    for bound_ms in sorted(bounds_ms):
        slo = Slo(percentile=percentile, latency_ms=bound_ms)
        row = [_cell(curves, measured or {}, prices, rate, slo) for rate in sorted(rates_rps)]
        rows.append(tuple(row))
    return WinnerMap(percentile, tuple(sorted(rates_rps)), tuple(sorted(bounds_ms)), tuple(rows))


def crossover(
    curve: LoadCurve,
    other: LoadCurve,
    slo: Slo,
    prices: Mapping[str, float] | None = None,
    error: float = 0.05,
    up_to_rps: float = RATES_RPS[-1],
) -> Crossover:
    """The lowest rate from which curve's contender costs more than the other's, by bisection."""
    rate_rps, low_rps, high_rps = (
        _crossing_rps(curve.faster(factor), other.faster(1 / factor), slo, prices, up_to_rps)
        for factor in (1.0, 1 - error, 1 + error)
    )
    return Crossover(curve.contender, other.contender, rate_rps, low_rps, high_rps, error)


def _crossing_rps(
    curve: LoadCurve,
    other: LoadCurve,
    slo: Slo,
    prices: Mapping[str, float] | None,
    up_to_rps: float,
) -> float | None:
    def costs_more(rate_rps: float) -> bool:
        return _cost(curve, prices, rate_rps, slo) > _cost(other, prices, rate_rps, slo)

    tried = np.geomspace(min(1.0, up_to_rps / 2), up_to_rps, SCANNED)
    first = next((k for k, rate_rps in enumerate(tried) if costs_more(rate_rps)), None)
    if first is None:
        return None
    if first == 0:
        return float(tried[0])
    low, high = float(tried[first - 1]), float(tried[first])
    while high / low > 1 + PRECISION:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if costs_more(middle) else (middle, high)
    return high


def _cell(
    curves: Sequence[LoadCurve],
    measured: Mapping[str, LoadCurve],
    prices: Mapping[str, float] | None,
    rate_rps: float,
    slo: Slo,
) -> WinnerCell:
    replicas = [replicas_known(c, measured.get(c.contender), rate_rps, slo) for c in curves]
    costs = [_priced(c, prices, n) for c, n in zip(curves, replicas, strict=True)]
    least = min(costs)
    if least == np.inf:
        return WinnerCell(rate_rps, slo.latency_ms, None)
    first, *also = [k for k, cost in enumerate(costs) if cost <= least * (1 + 1e-9)]
    winner = curves[first].contender
    return WinnerCell(
        rate_rps=rate_rps,
        bound_ms=slo.latency_ms,
        winner=winner,
        also=tuple(curves[k].contender for k in also),
        replicas=replicas[first],
        cost_per_hour=least,
        measured=met_as_measured(measured.get(winner), rate_rps, slo),
    )


def _cost(curve: LoadCurve, prices: Mapping[str, float] | None, rate_rps: float, slo: Slo) -> float:
    return _priced(curve, prices, replicas_needed(curve, rate_rps, slo))


def _priced(curve: LoadCurve, prices: Mapping[str, float] | None, replicas: int | None) -> float:
    """An hour of the replicas needed; infinite where no number of them is enough."""
    if replicas is None:
        return float("inf")
    if prices is None:
        return float(replicas)
    if curve.contender not in prices:
        raise PredictError(f"expected a price for {curve.contender}, found none: give one.")
    return replicas * prices[curve.contender]
