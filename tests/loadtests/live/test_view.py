from dataclasses import replace
from typing import Any

import pytest

from loadtests.live.view import Shown, SliceShown, Work, page
from loadtests.live.watch import Reading, ServerSide, gpu_in_words, server_side

READY = Shown("triton", "kserve-grpc", "Triton", "ready", server=ServerSide(0.5, 2**21, 3.0))
LIVE: dict[str, Any] = {
    "running": True,
    "users": 2,
    "figures": {"triton": {"offered_rps": 20.0, "answered_rps": 19.0, "p50_ms": 4.0}},
}
SLICE = SliceShown(50.0, 49.0, 0.0, 5.0, 9.0, 120, ServerSide(0.9, 2**22))


def row(live: Any, work: Work) -> Any:
    return page([READY], live, work, 1.0)["rows"][0]


def test_a_row_shows_the_load_by_hand_and_what_the_server_takes() -> None:
    shown = row(LIVE, Work())
    assert (shown["answered_rps"], shown["p50_ms"], shown["p99_ms"]) == (19.0, 4.0, None)
    assert (shown["cpu_cores"], shown["rss_mib"], shown["mean_batch"]) == (0.5, 2.0, 3.0)
    assert page([READY], LIVE, Work(), 1.0)["source"].startswith("the last 5 seconds")


def test_in_a_comparison_a_row_shows_the_last_slice_and_its_server() -> None:
    work = Work(running="comparison", slices={"triton": SLICE})
    shown = row({}, work)
    assert (shown["offered_rps"], shown["p99_ms"], shown["n_answered"]) == (50.0, 9.0, 120)
    assert (shown["cpu_cores"], shown["rss_mib"]) == (0.9, 4.0)
    assert page([READY], {}, work, 1.0)["source"].startswith("the last slice")


def test_without_load_there_are_dashes_and_no_zeros() -> None:
    shown = row({}, Work())
    assert shown["answered_rps"] is None
    assert shown["failed_ratio"] is None
    assert page([READY], {}, Work(), 1.0)["source"] == "no load"


FIRST = Reading(10.0, 4.0, 100, {"requests_ok": 10, "inferences": 10, "executions": 10})


def test_what_the_server_did_is_the_difference_of_two_readings() -> None:
    counters = {"requests_ok": 50, "inferences": 50, "executions": 20}
    found = server_side(FIRST, Reading(15.0, 6.0, 120, counters))
    assert found.cpu_cores == pytest.approx(0.4)
    assert found.mean_batch == pytest.approx(4.0)
    assert found.rss_bytes == 120


def test_the_time_inside_triton_is_a_mean_over_its_requests() -> None:
    before = {"requests_ok": 0, "queue_ns": 0, "tokenise_queue_ns": 0, "network_ns": 0}
    after = {
        "requests_ok": 4,
        "queue_ns": 10**7,
        "tokenise_queue_ns": 2 * 10**6,
        "network_ns": 10**7,
    }
    found = server_side(Reading(0, None, None, before), Reading(5, None, None, after))
    assert (found.queue_ms, found.compute_ms) == (pytest.approx(3.0), pytest.approx(2.5))


def test_what_is_not_counted_or_did_not_happen_is_not_shown() -> None:
    assert server_side(FIRST, replace(FIRST, at_s=15.0)).mean_batch is None
    silent = Reading(15.0, None, None, None)
    assert server_side(FIRST, silent) == ServerSide()


def test_the_gpu_is_that_of_all_and_what_the_driver_refuses_is_left_out() -> None:
    found = gpu_in_words({"gpu_busy_pct": 35.2, "gpu_memory_bytes": 3 * 2**30})
    assert found == "GPU, by all contenders: 35 % busy, 3.0 GiB used."
    assert gpu_in_words({"gpu_busy_pct": None}) == ""
