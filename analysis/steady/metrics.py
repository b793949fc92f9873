"""What one trial, or several repeats together, measured."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from analysis.read.value import Value, over
from analysis.steady.sample import Sample, total
from analysis.steady.server_time import ServerTime, server_time
from analysis.steady.usage import Usage, mean_known
from loadtests.records.experiment import Slo
from loadtests.records.percentiles import FloatArray, least_successes, percentile_ms, rank_index
from loadtests.records.steady_state import merged
from loadtests.records.tables import BUCKETS_TOKENS

STATED = {"p50": 50, "p90": 90, "p95": 95, "p99": 99, "p99_9": 99.9}


class Latencies(Value):
    """The wait of successes, from the scheduled time (latency) and from the time of sending
    (service time); null where the sample is too small."""

    latency_mean_ms: float | None = Field(description="Mean of done minus scheduled, successes.")
    latency_p50_ms: float | None = Field(description="P50 of latency; needs 20 successes.")
    latency_p90_ms: float | None = Field(description="P90 of latency; needs 100 successes.")
    latency_p95_ms: float | None = Field(description="P95 of latency; needs 200 successes.")
    latency_p99_ms: float | None = Field(description="P99 of latency; needs 1,000 successes.")
    latency_p99_9_ms: float | None = Field(description="P99.9 of latency; needs 10,000 successes.")
    latency_max_ms: float | None = Field(description="Largest latency of a success.")
    service_time_mean_ms: float | None = Field(description="Mean of done minus sent, successes.")
    service_time_p50_ms: float | None = Field(description="P50 of service time.")
    service_time_p90_ms: float | None = Field(description="P90 of service time.")
    service_time_p95_ms: float | None = Field(description="P95 of service time.")
    service_time_p99_ms: float | None = Field(description="P99 of service time.")
    service_time_p99_9_ms: float | None = Field(description="P99.9 of service time.")
    service_time_max_ms: float | None = Field(description="Largest service time of a success.")
    omission_gap_p99_ms: float | None = Field(
        description="P99 of latency minus P99 of service time: what counting from the time of "
        "sending would hide (coordinated omission)."
    )


class LengthMetrics(Latencies):
    """The same for the texts of one length."""

    bucket_tokens: int = Field(
        description="Length bucket: texts of at most so many tokens, above the bucket before."
    )
    n_ok: int = Field(description="Successes with a text of this length.")


class Metrics(Latencies):
    """Figures of the steady state; null where the sample or the server does not allow one.

    All latencies, and their parts, are null where the server was saturated: they grew for as long
    as one measured.
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
    latency_slo_ms: float | None = Field(
        description="Latency at the SLO's percentile; needs 10 successes beyond it."
    )
    send_lag_p99_ms: float | None = Field(
        description="P99 of sent minus scheduled; a check of the client, so no least sample."
    )
    server_cpu_utilisation: float | None = Field(
        description="Server CPU seconds over window and cores given to it; 1 is all of them."
    )
    server_cpu_s_per_1000_requests: float | None = Field(
        description="Server CPU seconds for 1,000 successes, its gateway included."
    )
    gateway_cpu_s_per_1000_requests: float | None = Field(
        description="Of those, the gateway's; null: the contender has none."
    )
    load_cpu_s_per_1000_requests: float | None = Field(
        description="Load generator CPU seconds for 1,000 successes."
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
    gpu_sm_active_ratio: float | None = Field(
        description="Mean share of the GPU's multiprocessors that had work, over time."
    )
    gpu_tensor_active_ratio: float | None = Field(
        description="Mean share of time in which the GPU's tensor cores were active."
    )
    gpu_memory_bytes: int | None = Field(
        description="Most memory in use on the GPU, by all processes."
    )
    gpu_power_w: float | None = Field(description="Mean power of the whole GPU.")
    gpu_energy_j_per_1000_requests: float | None = Field(
        description="Energy of the whole GPU, idle draw included, for 1,000 successes."
    )
    gpu_sm_clock_min_mhz: float | None = Field(description="Lowest SM clock of any sample.")
    gpu_sm_clock_median_mhz: float | None = Field(description="Median SM clock of the samples.")
    gpu_clock_events: dict[str, float] | None = Field(
        description="Share of samples by reason why clocks were below their highest, of the "
        "reasons that occurred."
    )
    mean_batch: float | None = Field(
        description="Inferences over executions, by the server's counters, warm-up included."
    )
    padding_efficiency: float | None = Field(
        description="Real tokens over padded tokens, by the server's counters, warm-up included."
    )
    mean_padded_tokens: float | None = Field(
        description="Tokens a request in the network, padding included: by the server's counters, "
        "warm-up included; where it has none, the mean length bucket of the successes."
    )
    server_time: ServerTime | None = Field(
        description="Where the time of a request went; null: the server does not say."
    )

    def without_latency(self) -> "Metrics":
        """The same with every latency null."""
        names = [name for name in type(self).model_fields if name.startswith(_GROWS_WITH_BACKLOG)]
        return self.model_copy(update=dict.fromkeys(names))


_GROWS_WITH_BACKLOG = ("latency_", "service_time_", "omission_gap_", "server_time")


def measure(samples: Sequence[Sample], slo: Slo) -> Metrics:
    """Metrics of one trial, or of several repeats with their rows merged.

    Percentiles are taken over the merged rows: an average of percentiles is no percentile.
    """
    steady = merged(samples)
    window_s, throughput_rps = steady.window_s, steady.throughput_rps
    in_time = steady.done_in_window_latency_s * 1000 <= slo.latency_ms
    used = [sample.usage for sample in samples]
    latencies = _distribution(steady.latency_s, steady.service_time_s)

    return Metrics(
        **latencies,
        window_s=window_s,
        n_offered=steady.n_offered,
        n_ok=len(steady.latency_s),
        n_failed=steady.n_failed,
        offered_rps=steady.n_offered / window_s,
        throughput_rps=throughput_rps,
        goodput_rps=int(in_time.sum()) / window_s,
        error_ratio=steady.error_ratio,
        latency_slo_ms=percentile_ms(steady.latency_s, slo.percentile),
        send_lag_p99_ms=steady.send_lag_p99_ms,
        server_cpu_utilisation=mean_known([u.server_cpu.utilisation for u in used]),
        server_cpu_s_per_1000_requests=_per_1000(
            [u.server_cpu.per_s for u in used], throughput_rps
        ),
        gateway_cpu_s_per_1000_requests=_per_1000(
            [u.gateway_cpu.per_s for u in used], throughput_rps
        ),
        load_cpu_s_per_1000_requests=_per_1000([u.load_cpu.per_s for u in used], throughput_rps),
        server_peak_rss_bytes=max((u.peak_rss_bytes or 0 for u in used), default=0) or None,
        load_cpu_utilisation=mean_known([u.load_cpu.utilisation for u in used]),
        **_gpu(used, throughput_rps),
        mean_batch=over(total(samples, "inferences"), total(samples, "executions")),
        padding_efficiency=over(total(samples, "real_tokens"), total(samples, "padded_tokens")),
        mean_padded_tokens=_mean_padded_tokens(samples),
        server_time=server_time(samples, latencies["latency_mean_ms"]),
    )


def _gpu(used: Sequence[Usage], throughput_rps: float) -> dict[str, Any]:
    clock_mhz = np.concatenate([u.gpu_sm_clock_mhz for u in used])
    return {
        "gpu_busy_ratio": mean_known([u.gpu_busy_ratio for u in used]),
        "gpu_sm_active_ratio": mean_known([u.gpu_sm_active_ratio for u in used]),
        "gpu_tensor_active_ratio": mean_known([u.gpu_tensor_active_ratio for u in used]),
        "gpu_memory_bytes": max((u.gpu_memory_bytes or 0 for u in used), default=0) or None,
        "gpu_power_w": mean_known([u.gpu_power_w for u in used]),
        "gpu_energy_j_per_1000_requests": _per_1000([u.gpu_energy_w for u in used], throughput_rps),
        "gpu_sm_clock_min_mhz": float(clock_mhz.min()) if len(clock_mhz) else None,
        "gpu_sm_clock_median_mhz": float(np.median(clock_mhz)) if len(clock_mhz) else None,
        "gpu_clock_events": _mean_by_name([u.clock_events for u in used]),
    }


def measure_by_length(samples: Sequence[Sample]) -> list[LengthMetrics]:
    """Latencies by length bucket, of the buckets that occurred; empty: lengths are unknown."""
    steady = merged(samples)
    members = {bucket: steady.padded_tokens == bucket for bucket in BUCKETS_TOKENS}
    return [
        LengthMetrics(
            **_distribution(steady.latency_s[member], steady.service_time_s[member]),
            bucket_tokens=bucket,
            n_ok=int(member.sum()),
        )
        for bucket, member in members.items()
        if member.any()
    ]


def _distribution(latency_s: FloatArray, service_time_s: FloatArray) -> dict[str, Any]:
    found = _figures("latency", latency_s) | _figures("service_time", service_time_s)
    due_ms, sent_ms = found["latency_p99_ms"], found["service_time_p99_ms"]
    gap_ms = None if due_ms is None or sent_ms is None else due_ms - sent_ms
    return found | {"omission_gap_p99_ms": gap_ms}


def _figures(name: str, values_s: FloatArray) -> dict[str, float | None]:
    n = len(values_s)
    stated = {label: rank_index(n, p) for label, p in STATED.items() if n >= least_successes(p)}
    # One partition for all of them: of millions of rows, this is most of the work.
    ordered = np.partition(values_s, list(stated.values())) if stated else values_s
    found = {f"{name}_{label}_ms": float(ordered[i]) * 1000 for label, i in stated.items()}
    return {
        **{f"{name}_{label}_ms": found.get(f"{name}_{label}_ms") for label in STATED},
        f"{name}_mean_ms": float(values_s.mean()) * 1000 if n else None,
        f"{name}_max_ms": float(values_s.max()) * 1000 if n else None,
    }


def _per_1000(values_per_s: Sequence[float | None], throughput_rps: float) -> float | None:
    each = over(mean_known(values_per_s), throughput_rps)
    return None if each is None else each * 1000


def _mean_padded_tokens(samples: Sequence[Sample]) -> float | None:
    counted = over(total(samples, "padded_tokens"), total(samples, "inferences"))
    if counted is not None:
        return counted
    known = [s.padded_tokens[s.padded_tokens > 0] for s in samples]
    return over(sum(int(k.sum(dtype=np.int64)) for k in known), sum(len(k) for k in known))


def _mean_by_name(shares: Sequence[dict[str, float] | None]) -> dict[str, float] | None:
    known = [each for each in shares if each is not None]
    names = sorted({name for each in known for name in each})
    means = {name: sum(each.get(name, 0.0) for each in known) / len(known) for name in names}
    return means if known else None
