"""Latency over arrival rate of one replica: simulated once, asked for many bounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from analysis.capacity.load_points import Point
from analysis.predict.compiled import at_once
from analysis.predict.path import predict_at
from analysis.predict.rates import Resource, prepare
from analysis.predict.values import Device, Front, Predicted, PredictError, Traffic
from loadtests.records.experiment import Slo
from loadtests.records.percentiles import FloatArray

LEVELS = (0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.94, 0.97)
"""Shares of the highest rate that are simulated."""

MEASUREMENT = "measurement"
"""What measured levels are by."""

P99_IS_LOWER_BOUND = "slices_too_short"
"""Reason of a point whose slices ended before its queue had shown its longest waits."""

FAR = 1.6
"""Ratio of two measured rates above which nothing is said of what lies between them."""

N_AT_A_LEVEL = 40_000
N_FINE = 400


@dataclass(frozen=True)
class LoadCurve:
    """One replica of a contender over its range of rates.

    predicted: in ascending order of rate, the last one below highest_rps, from which on no bound is
    met. Between two of them every figure is linear in the rate, latency in its logarithm; below the
    first one it is that of the first. saturated_at_rps: the lowest rate above them at which it was
    measured as saturated; None: not measured.
    """

    contender: str
    predicted: tuple[Predicted, ...]
    highest_rps: float
    used_up_at_rps: Mapping[Resource, float]
    saturated_at_rps: float | None = None

    @property
    def is_measured(self) -> bool:
        """Whether its levels were measured."""
        return all(each.by == MEASUREMENT for each in self.predicted)

    def brackets(self, slo: Slo) -> bool:
        """Whether its levels tell where the SLO is no longer met: one meets it, and the next one,
        which is not FAR above, does not or was saturated."""
        met = [each.rate_rps for each in self.predicted if self.meets(each.rate_rps, slo)]
        above = [*self._rates_rps, self.saturated_at_rps or float("inf")]
        return bool(met) and min(rate for rate in above if rate > met[-1]) <= FAR * met[-1]

    def latency_s(self, rate_rps: float, percentile: float) -> float:
        """Infinite above the last rate simulated."""
        if rate_rps > self._rates_rps[-1] * (1 + 1e-9):
            return float("inf")
        return float(np.exp(np.interp(rate_rps, self._rates_rps, self._log_s(percentile))))

    def figure(self, rate_rps: float, name: str) -> float:
        """A figure of Predicted, by its name, at a rate between those simulated."""
        values = [getattr(each, name) for each in self.predicted]
        return float(np.interp(rate_rps, self._rates_rps, values))

    def capacity_rps(self, slo: Slo) -> float | None:
        """The highest rate at which the SLO is met, by a grid of N_FINE; None: not at any."""
        rates = np.linspace(self._rates_rps[0], self._rates_rps[-1], N_FINE)
        log_s = np.interp(rates, self._rates_rps, self._log_s(slo.percentile))
        refused = np.interp(rates, self._rates_rps, [each.refused_ratio for each in self.predicted])
        fast = log_s <= np.log(slo.latency_ms / 1000)
        met = np.flatnonzero(fast & (refused <= slo.max_error_ratio))
        return float(rates[met[-1]]) if len(met) else None

    def meets(self, rate_rps: float, slo: Slo) -> bool:
        """Whether the SLO is met at a rate."""
        # The capacity is a point of a grid: what is read back there may be a rounding above.
        bound_s = slo.latency_ms / 1000 * (1 + 1e-9)
        return (
            self.latency_s(rate_rps, slo.percentile) <= bound_s
            and self.figure(rate_rps, "refused_ratio") <= slo.max_error_ratio
        )

    def was_measured_at(self, rate_rps: float) -> bool:
        """Whether it is a measured level, or lies between two that are not FAR apart."""
        if not self.is_measured:
            return False
        below = max((r for r in self._rates_rps if r <= rate_rps * (1 + 1e-9)), default=0.0)
        above = min((r for r in self._rates_rps if r >= rate_rps * (1 - 1e-9)), default=np.inf)
        return bool(above <= FAR * below)

    def faster(self, factor: float) -> "LoadCurve":
        """The same server if every rate were this much higher: how far an error of that size in the
        throughput goes."""
        return replace(
            self,
            predicted=tuple(replace(p, rate_rps=p.rate_rps * factor) for p in self.predicted),
            highest_rps=self.highest_rps * factor,
        )

    @cached_property
    def _rates_rps(self) -> FloatArray:
        return np.array([each.rate_rps for each in self.predicted])

    def _log_s(self, percentile: float) -> FloatArray:
        found: FloatArray = np.log([each.latency_s(percentile) for each in self.predicted])
        return found


def load_curve(
    front: Front,
    device: Device,
    traffic: Traffic,
    n_requests: int = N_AT_A_LEVEL,
    seed: int = 1,
) -> LoadCurve:
    """Simulates a front at LEVELS of its highest rate. Levels that turn out saturated are left out;
    PredictError where that is all of them."""
    prepared = prepare(front, device, traffic)
    highest_rps = prepared.highest_rate_rps
    levels = at_once(lambda u: predict_at(prepared, highest_rps * u, n_requests, seed), LEVELS)
    steady = tuple(each for each in levels if not each.saturated)
    if not steady:
        raise PredictError(
            f"expected {front.name} to keep up at {highest_rps * LEVELS[0]:g}/s, found that it "
            "does not: check its costs and its device."
        )
    return LoadCurve(front.name, steady, highest_rps, prepared.highest_rps)


def curve_of_measured(
    contender: str, measured: Sequence[Predicted], predicted: LoadCurve | None = None
) -> LoadCurve:
    """A load curve of measured points; above the last one that kept up nothing is known, so it
    counts as the highest rate, unless a prediction of the same contender names a higher one, and
    what is used up there."""
    steady = tuple(sorted((m for m in measured if not m.saturated), key=lambda m: m.rate_rps))
    if not steady:
        raise PredictError(
            f"expected a measured rate at which {contender} kept up, found none: "
            "measure lower ones."
        )
    rates = (steady[0].rate_rps, steady[-1].rate_rps)
    saturated = [m.rate_rps for m in measured if m.saturated and m.rate_rps > rates[1]]
    return LoadCurve(
        contender=contender,
        predicted=steady,
        highest_rps=max(rates[1], predicted.highest_rps) if predicted else rates[1],
        used_up_at_rps=predicted.used_up_at_rps if predicted else {},
        saturated_at_rps=min(saturated, default=None),
    )


def measured_levels(points: Sequence[Point], contender: str) -> list[Predicted]:
    """The usable open-loop points of a contender as levels of a curve. A percentile that
    was not stated for want of requests is infinite: it meets nothing; so is a P99 of which only a
    lower bound is known."""

    def seconds(ms: float | None) -> float:
        return float("inf") if ms is None else ms / 1000

    found = []
    for point in points:
        metrics = point.metrics
        if point.contender != contender or point.rate_rps is None or not point.usable:
            continue
        assert metrics is not None  # every usable point has them
        p99_ms = None if P99_IS_LOWER_BOUND in point.reasons else metrics.latency_p99_ms
        found.append(
            Predicted(
                rate_rps=point.rate_rps,
                throughput_rps=metrics.throughput_rps,
                p50_s=seconds(metrics.latency_p50_ms),
                p90_s=seconds(metrics.latency_p90_ms),
                p95_s=seconds(metrics.latency_p95_ms),
                p99_s=seconds(p99_ms),
                p99_9_s=seconds(metrics.latency_p99_9_ms),
                mean_s=seconds(metrics.latency_mean_ms),
                mean_batch=metrics.mean_batch or 1.0,
                mean_pass=metrics.mean_batch or 1.0,
                device_busy=metrics.gpu_busy_ratio or float("nan"),
                device_share_of_best=float("nan"),
                cpu_utilisation=metrics.server_cpu_utilisation or float("nan"),
                refused_ratio=metrics.error_ratio,
                saturated=point.saturated,
                by=MEASUREMENT,
            )
        )
    return found
