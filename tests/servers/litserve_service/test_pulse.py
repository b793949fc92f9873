"""Readiness and refusals while the worker is silent; the HTTP side alone, without a worker."""

import asyncio
import queue

import pytest
from fastapi import HTTPException
from litserve.utils import LitAPIStatus

from servers.classifier import Prediction
from servers.litserve_service import pulse, spec
from servers.litserve_service.spec import ClassifierSpec, Query

QUERY = Query("a", 8)


class Wired(ClassifierSpec):
    """A spec whose worker is this test."""

    def __init__(self) -> None:
        super().__init__()
        self.response_buffer = {}
        self.request_queue = queue.Queue()
        self.response_queue_id = 0

    def answer_all(self, status: LitAPIStatus = LitAPIStatus.OK) -> None:
        for item in self.response_buffer.values():
            item.response = (Prediction("a", 1.0), status)
            item.event.set()


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "READY_WITHIN_S", 0.05)
    monkeypatch.setattr(pulse, "SILENT_AFTER_S", 0.1)
    monkeypatch.setattr(spec, "ANSWERED_WITHIN_S", 0.2)


async def refusal(wired: Wired) -> HTTPException:
    with pytest.raises(HTTPException) as refused:
        await wired._answer(QUERY)
    return refused.value


def test_a_request_to_a_silent_worker_ends_and_the_next_ones_end_at_once() -> None:
    async def run() -> None:
        wired = Wired()
        first = await refusal(wired)
        assert (first.status_code, first.headers) == (503, {"Retry-After": "1"})
        assert "did not answer within" in first.detail
        await asyncio.sleep(0.2)  # longer than SILENT_AFTER_S
        queued = wired.request_queue.qsize()
        assert "has answered nothing for" in (await refusal(wired)).detail
        assert wired.request_queue.qsize() == queued

    asyncio.run(run())


def test_a_worker_that_answers_its_probe_late_is_used_again() -> None:
    async def run() -> None:
        wired = Wired()
        assert not await wired.pulse.is_ready()
        assert not await wired.pulse.is_ready()
        assert wired.request_queue.qsize() == 1  # they wait for one probe
        await asyncio.sleep(0.2)
        assert wired.pulse.is_silent()
        wired.answer_all()
        await wired.pulse.ask()
        assert await wired.pulse.is_ready()
        assert not wired.pulse.is_silent()

    asyncio.run(run())


def test_a_worker_whose_forward_passes_fail_is_not_ready() -> None:
    async def run() -> None:
        wired = Wired()
        asking = asyncio.create_task(wired.pulse.is_ready())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        wired.answer_all(LitAPIStatus.ERROR)
        assert not await asking

    asyncio.run(run())


def test_answers_to_callers_are_proof_enough() -> None:
    async def run() -> None:
        wired = Wired()
        answering = asyncio.create_task(wired._answer(QUERY))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        wired.answer_all()
        await answering
        asked = wired.request_queue.qsize()
        assert await wired.pulse.is_ready()
        assert wired.request_queue.qsize() == asked

    asyncio.run(run())
