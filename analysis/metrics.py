"""What one trial, or several repeats together, measured."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from analysis.manifest import Slo
from analysis.sample import FloatArray, Sample, total
from analysis.values import Value

MIN_BEYOND_PERCENTILE = 10
"""Successes that must lie beyond a percentile before it is stated: 1,000 for P99, 200 for P95."""


class Metrics(Value):
    """Figures of the steady state; null where the sample or the server does not allow one.

    All latencies are null where the server was saturated: they grew for as long as one measured.
    """

    window_s: float = Field(description="Length of the steady state, summed over repeats.")
    n_offered: int = Field(description="Requests scheduled in the steady state.")
    n_ok: int = Field(description="Of those, answered correctly in form and in time.")
    n_failed: int = Field(description="Of those, not answered so: errors, timeouts, never sent.")
    offered_rps: float = Field(description="n_offered over window_s.")
    throughput_rps: float = Field(
        description="Successes done within the steady state, whenever scheduled, over window_s."
    )
    goodput_rps: float = Field(description="Of throughput_rps, what was within the SLO's latency.")
    error_ratio: float = Field(description="n_failed over n_offered.")
    latency_mean_ms: float | None = Field(description="Mean of done minus scheduled, successes.")
    latency_p50_ms: float | None = Field(description="P50 of latency; needs 20 successes.")
    latency_p95_ms: float | None = Field(description="P95 of latency; needs 200 successes.")
    latency_p99_ms: float | None = Field(description="P99 of latency; needs 1,000 successes.")
    latency_max_ms: float | None = Field(description="Largest latency of a success.")
    latency_slo_ms: float | None = Field(
        description="Latency at the SLO's percentile; needs 10 successes beyond it."
    )
    service_time_p99_ms: float | None = Field(
        description="P99 of done minus sent. Latency P99 minus this is what coordinated omission "
        "would hide."
    )
    send_lag_p99_ms: float | None = Field(
        description="P99 of sent minus scheduled; a check of the client, so no least sample."
    )
    server_cpu_utilisation: float | None = Field(
        description="Server CPU seconds over window and cores given to it; 1 is all of them."
    )
    server_cpu_s_per_1000_requests: float | None = Field(
        description="Server CPU seconds for 1,000 successes."
    )
    server_peak_rss_bytes: int | None = Field(
        description="Largest memory of the server's processes."
    )
    load_cpu_utilisation: float | None = Field(
        description="Load generator CPU seconds over window and cores given to it."
    )
    gpu_busy_ratio: float | None = Field(
        description="Mean share of time in which the GPU ran any kernel; not how full it was."
    )
    mean_batch: float | None = Field(
        description="Inferences over executions, by the server's counters, warm-up included."
    )
    padding_efficiency: float | None = Field(
        description="Real tokens over padded tokens, by the server's counters, warm-up included."
    )

    def without_latency(self) -> "Metrics":
        """The same with every latency null."""
        names = [name for name in type(self).model_fields if name.startswith(_GROWS_WITH_BACKLOG)]
        return self.model_copy(update=dict.fromkeys(names))


_GROWS_WITH_BACKLOG = ("latency_", "service_time_")


def least_successes(percentile: float) -> int:
    """Successes needed to state a percentile: 20 for P50, 200 for P95, 1,000 for P99."""
    return int(np.ceil(round(MIN_BEYOND_PERCENTILE / (1 - percentile / 100), 6)))


def percentile_ms(values_s: FloatArray, percentile: float) -> float | None:
    """The percentile in ms by nearest rank (an observed value), or None if the sample is small."""
    return _rank_ms(values_s, percentile) if len(values_s) >= least_successes(percentile) else None


def measure(samples: Sequence[Sample], slo: Slo) -> Metrics:
    """Metrics of one trial, or of several repeats with their rows merged.

    Percentiles are taken over the merged rows: an average of percentiles is no percentile.
    """
    window_s = sum(s.window_s for s in samples)
    n_offered = sum(s.n_offered for s in samples)
    n_failed = sum(s.n_failed for s in samples)
    latency_s = np.concatenate([s.latency_s for s in samples])
    in_window_s = np.concatenate([s.done_in_window_latency_s for s in samples])
    service_time_s = np.concatenate([s.service_time_s for s in samples])
    throughput_rps = len(in_window_s) / window_s
    server_cores = _mean([s.server_cpu.per_s for s in samples])
    return Metrics(
        window_s=window_s,
        n_offered=n_offered,
        n_ok=len(latency_s),
        n_failed=n_failed,
        offered_rps=n_offered / window_s,
        throughput_rps=throughput_rps,
        goodput_rps=int((in_window_s * 1000 <= slo.latency_ms).sum()) / window_s,
        error_ratio=_ratio(n_failed, n_offered) or 0.0,
        latency_mean_ms=float(latency_s.mean()) * 1000 if len(latency_s) else None,
        latency_p50_ms=percentile_ms(latency_s, 50),
        latency_p95_ms=percentile_ms(latency_s, 95),
        latency_p99_ms=percentile_ms(latency_s, 99),
        latency_max_ms=float(latency_s.max()) * 1000 if len(latency_s) else None,
        latency_slo_ms=percentile_ms(latency_s, slo.percentile),
        service_time_p99_ms=percentile_ms(service_time_s, 99),
        send_lag_p99_ms=_rank_ms(np.concatenate([s.send_lag_s for s in samples]), 99),
        server_cpu_utilisation=_mean([s.server_cpu.utilisation for s in samples]),
        server_cpu_s_per_1000_requests=(
            server_cores / throughput_rps * 1000
            if server_cores is not None and throughput_rps
            else None
        ),
        server_peak_rss_bytes=max((s.peak_rss_bytes or 0 for s in samples), default=0) or None,
        load_cpu_utilisation=_mean([s.load_cpu.utilisation for s in samples]),
        gpu_busy_ratio=_mean([s.gpu_busy_ratio for s in samples]),
        mean_batch=_ratio(total(samples, "inferences"), total(samples, "executions")),
        padding_efficiency=_ratio(total(samples, "real_tokens"), total(samples, "padded_tokens")),
    )


def _rank_ms(values_s: FloatArray, percentile: float) -> float | None:
    if not len(values_s):
        return None
    # Rounded before ceil: 10,000 x 99.9 / 100 is a little above 9,990 in floating point.
    rank = int(np.ceil(round(len(values_s) * percentile / 100, 6)))
    return float(np.partition(values_s, rank - 1)[rank - 1]) * 1000


def _mean(values: Sequence[float | None]) -> float | None:
    # Repeats of one level have windows of one length, so the plain mean is the pooled one.
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None
