"""Which requests are in the steady state, and what they say. One second of warm-up, ten after."""

import numpy as np
import pandas as pd
import pytest

from loadtests.records.steady_state import merged, steady_state, with_recovery
from loadtests.records.trials import Phases

PHASES = Phases(1.0, 10.0)


def rows(scheduled_s: np.ndarray, lag_s: np.ndarray | float = 0.0, **changes: object):
    """Requests that each took 2 ms from sending to answer."""
    frame = pd.DataFrame({"scheduled_s": scheduled_s, "sent_s": scheduled_s + lag_s})
    frame["done_s"] = frame["sent_s"] + 0.002
    frame["phase"] = np.where(scheduled_s < 1, "warm-up", "steady")
    return frame.assign(status="ok").assign(**changes)


def arrivals() -> np.ndarray:
    return np.arange(0.0, 11.0, 0.01)  # 100 in the warm-up, 1,000 in the steady state


def test_a_request_is_in_the_steady_state_by_the_time_for_which_it_was_scheduled() -> None:
    held_up = rows(arrivals(), lag_s=np.where(arrivals() < 1, 0.5, 0.0))
    found = steady_state(held_up, PHASES)
    assert found.n_offered == len(found.scheduled_s) == 1000
    assert found.latency_s.max() == pytest.approx(0.002)
    assert found.scheduled_s[0] == pytest.approx(0.0)


def test_latency_counts_from_the_scheduled_time_and_service_time_from_sending() -> None:
    found = steady_state(rows(arrivals(), lag_s=0.003), PHASES)
    assert found.latency_s == pytest.approx(np.full(1000, 0.005))
    assert found.service_time_s == pytest.approx(np.full(1000, 0.002))
    assert found.send_lag_s == pytest.approx(np.full(1000, 0.003))


def test_p99_send_lag_is_the_nearest_rank_of_the_steady_state_alone() -> None:
    # Of 1,000 lags of 1 to 1,000 ms it is the 990th; a quantile that rounds up says the 991st.
    lag_s = np.append(np.full(100, 9.0), np.arange(1, 1001) / 1000)
    assert steady_state(rows(arrivals(), lag_s), PHASES).send_lag_p99_ms == pytest.approx(990)


def test_send_lag_counts_requests_that_failed_and_not_those_never_sent() -> None:
    frame = rows(arrivals(), status="timeout")
    frame["sent_s"] += 0.004
    frame.loc[500:, "sent_s"] = np.nan
    found = steady_state(frame, PHASES)
    assert (len(found.latency_s), len(found.send_lag_s)) == (0, 400)
    assert found.send_lag_p99_ms == pytest.approx(4)


def test_send_lag_is_not_known_where_nothing_was_sent() -> None:
    assert steady_state(rows(arrivals(), sent_s=np.nan), PHASES).send_lag_p99_ms is None


def test_throughput_counts_what_is_done_in_the_window_whenever_it_was_scheduled() -> None:
    scheduled_s = arrivals()
    backlog = rows(scheduled_s, done_s=0.02 * (1 + np.arange(len(scheduled_s))))
    found = steady_state(backlog, PHASES)  # 50 rps served of 100 rps offered
    assert found.throughput_rps == pytest.approx(50, abs=0.2)
    assert found.done_in_window_latency_s[0] == pytest.approx(0.51, abs=0.02)


def test_what_failed_is_an_error_and_has_no_latency() -> None:
    status = np.where(np.arange(1100) % 10 == 0, "http_503", "ok")
    found = steady_state(rows(arrivals(), status=status), PHASES)
    assert (found.n_failed, len(found.latency_s)) == (100, 900)
    assert found.error_ratio == pytest.approx(0.1)
    assert found.throughput_rps == pytest.approx(90, abs=1)


def test_texts_are_padded_to_the_bucket_that_holds_them() -> None:
    n_tokens = np.array([16, 17, 128, 300, np.nan])[np.arange(1100) % 5]
    found = steady_state(rows(arrivals(), n_tokens=n_tokens), PHASES)
    assert found.padded_tokens[:5].tolist() == [16, 32, 128, 128, 0]
    assert not steady_state(rows(arrivals()), PHASES).padded_tokens.any()


def test_repeats_are_merged_request_by_request() -> None:
    quiet, late = (steady_state(rows(arrivals(), lag_s), PHASES) for lag_s in (0.001, 0.050))
    both = merged([quiet, late])
    assert (both.window_s, both.n_offered, len(both.latency_s)) == (20.0, 2000, 2000)
    assert both.send_lag_p99_ms == pytest.approx(50)  # an average of P99s would be 25.5 ms
    assert both.throughput_rps == pytest.approx(100, abs=0.2)


def test_requests_due_after_an_overload_are_no_part_of_its_steady_state() -> None:
    asked = rows(np.arange(0.0, 15.0, 0.01))
    asked["phase"] = with_recovery(asked, PHASES)
    assert asked["phase"].value_counts().to_dict() == {
        "warm-up": 100,
        "steady": 1000,
        "recovery": 400,
    }
    assert steady_state(asked, PHASES).n_offered == 1000
