"""The queue of a simulated device: when passes begin, who shares it, and what it remembers."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from servers.device_queue import FILE_VARIABLE, N_KEPT, DeviceQueue, TimedPass, shared_file


def ended(queue: DeviceQueue, by_curve_s: float, taken_s: float) -> None:
    queue.finished(queue.reserve(0.0, by_curve_s).number, by_curve_s, taken_s)


def test_a_pass_begins_at_once_where_the_device_is_free_and_else_after_the_one_before() -> None:
    queue = DeviceQueue()
    assert queue.reserve(100.0, 2.0).begin_s == 100.0
    assert queue.reserve(101.0, 3.0).begin_s == 102.0
    assert queue.reserve(110.0, 1.0).begin_s == 110.0


def test_a_pass_that_is_delayed_delays_the_next_one() -> None:
    queue = DeviceQueue()
    queue.reserve(100.0, 2.0)
    queue.delay(0.5)
    assert queue.reserve(101.0, 1.0).begin_s == 102.5


def test_who_shares_a_file_shares_the_device(tmp_path: Path) -> None:
    one, other = (DeviceQueue(tmp_path / "device") for _ in range(2))
    one.reserve(100.0, 2.0)
    assert other.reserve(100.0, 2.0).begin_s == 102.0
    one.close()
    other.close()


def test_processes_that_reserve_at_the_same_time_lose_no_pass(tmp_path: Path) -> None:
    file = tmp_path / "device"
    code = (
        "import sys; from pathlib import Path; from servers.device_queue import DeviceQueue\n"
        "queue = DeviceQueue(Path(sys.argv[1]))\n"
        "for _ in range(2000): queue.reserve(0.0, 0.001)"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(file)]) for _ in range(2)]
    assert [process.wait(60) for process in running] == [0, 0]
    queue = DeviceQueue(file)
    assert queue.reading().passes == 4000
    assert queue.reserve(0.0, 1.0).begin_s == pytest.approx(4.0)
    queue.close()


def test_it_is_busy_with_what_has_begun_and_not_with_what_waits() -> None:
    queue = DeviceQueue()
    long_ago_s = time.monotonic() - 100
    queue.reserve(long_ago_s, 2.0)
    before = queue.reading()
    assert before.busy_s == pytest.approx(2.0)
    queue.reserve(time.monotonic(), 1000.0)
    after = queue.reading()
    assert 2.0 <= after.busy_s <= 2.0 + after.at_s - before.at_s + 0.001


def test_what_passes_took_is_kept_for_who_asks_later() -> None:
    queue = DeviceQueue()
    ended(queue, 0.001, 0.0011)
    before = queue.reading()
    ended(queue, 0.002, 0.0021)
    queue.reserve(0.0, 0.003)  # and has not finished
    ended(queue, 0.003, 0.003)
    assert queue.passes_since(before) == [TimedPass(0.002, 0.0021), TimedPass(0.003, 0.003)]
    assert queue.reading().passes == 4


def test_only_the_last_passes_are_kept() -> None:
    queue = DeviceQueue()
    start = queue.reading()
    for number in range(N_KEPT + 2):
        ended(queue, 1.0, float(number + 1))
    kept = queue.passes_since(start)
    assert len(kept) == N_KEPT
    assert (kept[0].taken_s, kept[-1].taken_s) == (3.0, N_KEPT + 2.0)


def test_the_file_is_the_one_that_the_environment_names() -> None:
    assert shared_file({}) is None
    assert shared_file({FILE_VARIABLE: "/a/b"}) == Path("/a/b")
