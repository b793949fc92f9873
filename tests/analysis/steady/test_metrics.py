"""Hand-computed cases: one second of warm-up, then a steady state of ten seconds."""

import numpy as np
import pytest

from analysis.read.run import load_run
from analysis.steady.metrics import measure, measure_by_length
from analysis.steady.sample import take_sample
from loadtests.records.trials import Level

AT_100 = Level("open", rate_rps=100.0)


def arrivals() -> np.ndarray:
    return np.arange(0.0, 11.0, 0.01)  # 100 in the warm-up, 1,000 in the steady state


def test_latency_counts_from_the_scheduled_time_and_shows_what_omission_hides(measured, make_rows):
    scheduled_s = arrivals()
    sent_s = scheduled_s.copy()
    stalled = (scheduled_s >= 5.0) & (scheduled_s < 5.2)
    sent_s[stalled] = 5.2  # held up behind one stalled request: due from 5.0 s, sent at 5.2 s
    metrics = measured(make_rows(scheduled_s, sent_s, sent_s + 0.002))

    # P99 of 1,000 is the 990th: of the 20 that waited 10, 20 ... 200 ms more, the tenth.
    assert metrics.latency_p99_ms == pytest.approx(102.0, abs=1e-6)
    assert metrics.service_time_p99_ms == pytest.approx(2.0, abs=1e-6)
    assert metrics.send_lag_p99_ms == pytest.approx(100.0, abs=1e-6)
    assert metrics.latency_max_ms == pytest.approx(202.0, abs=1e-6)


def test_the_warm_up_is_not_analysed(measured, make_rows):
    scheduled_s = arrivals()
    done_s = scheduled_s + np.where(scheduled_s < 0.9, 0.05, 0.002)
    metrics = measured(make_rows(scheduled_s, scheduled_s, done_s))

    assert metrics.n_offered == 1000
    assert metrics.latency_max_ms == pytest.approx(2.0, abs=1e-6)
    assert metrics.offered_rps == pytest.approx(100.0)


def test_goodput_counts_only_successes_within_the_slo(measured, make_rows):
    scheduled_s = arrivals()
    index = np.arange(len(scheduled_s))
    done_s = scheduled_s + np.where(index % 4 == 0, 0.101, 0.002)  # the SLO allows 100 ms
    metrics = measured(make_rows(scheduled_s, scheduled_s, done_s))

    assert metrics.throughput_rps == pytest.approx(100.0, abs=1.0)
    assert metrics.goodput_rps == pytest.approx(75.0, abs=1.0)


def test_failures_count_as_errors_and_not_as_latency(measured, make_rows):
    scheduled_s = arrivals()
    status = np.where(np.arange(len(scheduled_s)) % 10 == 0, "http_503", "ok")
    done_s = scheduled_s + np.where(status == "ok", 0.002, 0.0)
    metrics = measured(make_rows(scheduled_s, scheduled_s, done_s, status))

    assert (metrics.n_ok, metrics.n_failed) == (900, 100)
    assert metrics.error_ratio == pytest.approx(0.1)
    assert metrics.latency_p50_ms == pytest.approx(2.0)


def test_a_request_that_was_never_answered_is_a_failure_without_latency(measured, make_rows):
    scheduled_s = arrivals()
    status = np.array(["ok"] * 1099 + ["timeout"])
    done_s = np.append(scheduled_s[:-1] + 0.002, np.nan)
    metrics = measured(make_rows(scheduled_s, scheduled_s, done_s, status))

    assert (metrics.n_ok, metrics.n_failed) == (999, 1)
    assert metrics.latency_p99_ms is None  # 999 successes are one too few
    assert metrics.latency_p95_ms is not None


def test_throughput_includes_the_warm_up_s_backlog_answered_within_the_window(measured, make_rows):
    scheduled_s = arrivals()
    done_s = 0.02 * (1 + np.arange(len(scheduled_s)))  # 50 rps served of 100 rps offered
    metrics = measured(make_rows(scheduled_s, scheduled_s, done_s))

    assert metrics.throughput_rps == pytest.approx(50.0, abs=0.2)


def test_repeats_are_merged_row_by_row_not_averaged(new_run, contender, make_rows):
    run = new_run(["one"], rates_rps=[100.0], steady_s=10.0, repeats=2)
    scheduled_s = arrivals()
    for repeat, latency_s in enumerate((0.010, 0.050)):
        rows = make_rows(scheduled_s, scheduled_s, scheduled_s + latency_s)
        run.add(contender("one", 0.002), rows, AT_100, repeat)
    loaded = load_run(run.folder)
    samples = [take_sample(trial) for trial in loaded.trials]
    merged = measure(samples, loaded.manifest.experiment.slo)

    assert merged.n_ok == 2000
    assert merged.latency_p99_ms == pytest.approx(50.0)  # an average of P99s would be 30 ms
    assert merged.throughput_rps == pytest.approx(100.0, abs=1.0)


def test_cpu_is_the_growth_of_the_counter_over_window_and_cores(measured, make_rows):
    scheduled_s = arrivals()
    metrics = measured(
        make_rows(scheduled_s, scheduled_s, scheduled_s + 0.002),
        cores={"server": (0, 1), "load": (2,)},
    )
    # The telemetry grows by 0.002 CPU seconds a request: 0.2 of a core at 100 rps, of two cores.
    assert metrics.server_cpu_utilisation == pytest.approx(0.1, rel=0.01)
    assert metrics.server_cpu_s_per_1000_requests == pytest.approx(2.0, rel=0.02)
    assert metrics.load_cpu_utilisation == pytest.approx(0.1)
    assert metrics.gpu_busy_ratio is None


def test_batch_and_padding_come_from_differences_of_the_server_s_counters(measured, make_rows):
    scheduled_s = arrivals()
    metrics = measured(
        make_rows(scheduled_s, scheduled_s, scheduled_s + 0.002),
        counters_before={"inferences": 10, "executions": 10, "real_tokens": 0, "padded_tokens": 0},
        counters_after={"inferences": 90, "executions": 30, "real_tokens": 6, "padded_tokens": 8},
    )
    assert metrics.mean_batch == pytest.approx(4.0)
    assert metrics.padding_efficiency == pytest.approx(0.75)


def test_a_server_that_does_not_count_batches_has_no_mean_batch(measured, make_rows):
    scheduled_s = arrivals()
    metrics = measured(
        make_rows(scheduled_s, scheduled_s, scheduled_s + 0.002),
        counters_before={"requests_ok": 0, "inferences": None, "executions": None},
        counters_after={"requests_ok": 1100, "inferences": None, "executions": None},
    )
    assert metrics.mean_batch is None


def test_latency_and_service_time_stand_side_by_side_with_their_gap(measured, make_rows):
    scheduled_s = arrivals()
    metrics = measured(make_rows(scheduled_s, scheduled_s + 0.003, scheduled_s + 0.010))

    for name in ("mean", "p50", "p90", "p95", "p99", "max"):
        assert getattr(metrics, f"latency_{name}_ms") == pytest.approx(10.0)
        assert getattr(metrics, f"service_time_{name}_ms") == pytest.approx(7.0)
    assert metrics.omission_gap_p99_ms == pytest.approx(3.0)
    assert metrics.latency_p99_9_ms is None  # 1,000 successes of the 10,000 it needs


def test_every_percentile_is_its_nearest_rank(measured, make_rows):
    scheduled_s = arrivals()
    latency_s = np.zeros(1100)
    latency_s[100:] = np.arange(1, 1001) / 1000  # 1 to 1,000 ms in the steady state
    metrics = measured(make_rows(scheduled_s, scheduled_s, scheduled_s + latency_s))

    found = [getattr(metrics, f"latency_{name}_ms") for name in ("p50", "p90", "p95", "p99")]
    assert found == pytest.approx([500, 900, 950, 990])
    assert metrics.latency_mean_ms == pytest.approx(500.5)


def test_latencies_by_length_of_the_text(sampled, make_rows):
    scheduled_s = arrivals()
    rows = make_rows(scheduled_s, scheduled_s, scheduled_s)
    rows["n_tokens"] = np.array([16, 17, 128, 300])[np.arange(1100) % 4]  # at and beyond the ends
    rows["done_s"] = rows["scheduled_s"] + np.array([1, 2, 3, 5])[np.arange(1100) % 4] / 1000
    sample, _ = sampled(rows)
    found = measure_by_length([sample])

    assert [(m.bucket_tokens, m.n_ok) for m in found] == [(16, 250), (32, 250), (128, 500)]
    assert [m.latency_p50_ms for m in found] == pytest.approx([1, 2, 3])
    assert [m.latency_p95_ms for m in found] == pytest.approx([1, 2, 5])
    assert [m.latency_p99_ms for m in found] == [None, None, None]


def test_texts_of_unknown_length_are_in_no_bucket(sampled, make_rows):
    rows = make_rows(arrivals(), arrivals(), arrivals() + 0.002).drop(columns="n_tokens")
    sample, _ = sampled(rows)
    assert measure_by_length([sample]) == []


def test_cpu_and_energy_for_a_thousand_requests_by_role(new_run, contender, make_rows):
    run = new_run(["one"], rates_rps=[100.0], steady_s=10.0)
    t_s = np.arange(0.0, 11.5, 0.25)
    run.telemetry_changes = {"gateway_cpu_s": t_s * 0.05, "gpu_energy_j": 1000 + t_s * 40}
    run.add(contender("one", 0.002), make_rows(arrivals(), arrivals(), arrivals() + 0.002), AT_100)
    loaded = load_run(run.folder)
    metrics = measure([take_sample(loaded.trials[0])], loaded.manifest.experiment.slo)

    # At 100 requests a second, a thousand take ten seconds.
    assert metrics.gateway_cpu_s_per_1000_requests == pytest.approx(0.5, rel=0.01)
    assert metrics.load_cpu_s_per_1000_requests == pytest.approx(1.0, rel=0.01)
    assert metrics.gpu_energy_j_per_1000_requests == pytest.approx(400, rel=0.01)
    assert metrics.gpu_sm_active_ratio is None
