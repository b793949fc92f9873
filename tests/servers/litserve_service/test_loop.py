import math
import queue
import threading
import time
from typing import Any

import pytest
from litserve.utils import LitAPIStatus

from servers.http_service import Counters
from servers.litserve_service.loop import BlockingBatchLoop, Entry, gather
from servers.litserve_service.spec import ANSWERED_WITHIN_S

STILL_WAITED_FOR_S = math.inf


def entry(number: int | None, put_s: float = STILL_WAITED_FOR_S) -> Entry:
    return (0, f"uid-{number}", put_s, number)


def filled(count: int) -> "queue.Queue[Entry]":
    entries: queue.Queue[Entry] = queue.Queue()
    for number in range(count):
        entries.put(entry(number))
    return entries


def test_what_is_queued_is_taken_together() -> None:
    assert list(gather(filled(3), max_size=8, timeout_s=0)) == [entry(0), entry(1), entry(2)]


def test_no_more_than_the_largest_batch_is_taken() -> None:
    entries = filled(5)
    assert len(list(gather(entries, max_size=4, timeout_s=10))) == 4
    assert entries.qsize() == 1


def test_the_window_opens_with_the_first_request() -> None:
    entries: queue.Queue[Entry] = queue.Queue()
    first_taken = threading.Event()

    def put_both() -> None:
        entries.put(entry(0))
        first_taken.wait(10)
        entries.put(entry(1))

    threading.Thread(target=put_both).start()
    gathered = gather(entries, max_size=2, timeout_s=10)
    assert next(gathered) == entry(0)
    first_taken.set()
    assert next(gathered) == entry(1)


class FakeApi:
    counters = Counters()
    max_batch_size = 8
    batch_timeout = 0.0

    def decode_request(self, request: int) -> int:
        return request

    encode_response = batch = unbatch = decode_request

    def probe(self) -> None:
        pass

    def predict(self, numbers: list[int]) -> list[int]:
        if 13 in numbers:
            raise ValueError("thirteen")
        return [number * 10 for number in numbers]


class FakeTransport:
    def __init__(self) -> None:
        self.sent: dict[str, tuple[Any, LitAPIStatus]] = {}

    def send(self, item: tuple[str, tuple[Any, ...]], consumer_id: int) -> None:
        uid, (answer, status, *_) = item
        self.sent[uid] = (answer, status)


def run_once(entries: "queue.Queue[Entry]") -> dict[str, tuple[Any, LitAPIStatus]]:
    transport = FakeTransport()
    BlockingBatchLoop().run(FakeApi(), "cpu", 0, entries, transport, {}, None)
    return transport.sent


def test_each_request_gets_its_own_answer() -> None:
    assert run_once(filled(3)) == {
        f"uid-{number}": (number * 10, LitAPIStatus.OK) for number in range(3)
    }


def test_a_failed_batch_fails_its_requests_and_not_the_worker(
    caplog: pytest.LogCaptureFixture,
) -> None:
    entries = filled(1)
    entries.put(entry(13))
    sent = run_once(entries)
    assert {status for _, status in sent.values()} == {LitAPIStatus.ERROR}
    assert "thirteen" in caplog.text


def test_a_probe_is_answered_beside_a_failed_batch() -> None:
    entries = filled(0)
    entries.put(entry(13))
    entries.put(entry(None))
    statuses = {uid: status for uid, (_, status) in run_once(entries).items()}
    assert statuses == {"uid-13": LitAPIStatus.ERROR, "uid-None": LitAPIStatus.OK}


def test_nothing_is_computed_for_callers_who_wait_no_longer() -> None:
    entries = filled(1)
    entries.put(entry(13, time.monotonic() - ANSWERED_WITHIN_S - 1))
    assert run_once(entries) == {"uid-0": (0, LitAPIStatus.OK)}
