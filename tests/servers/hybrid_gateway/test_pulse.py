"""What the gateway concludes from answers and canaries; Triton is this test."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from servers.hybrid_gateway import pulse as module
from servers.hybrid_gateway.pulse import Late, Pulse, Unavailable

REFUSED = "Triton is not available"
SOON_S = 20.0


class FakeTriton:
    """Answers canaries as it is told to: None answers, an exception is raised."""

    def __init__(self) -> None:
        self.outcome: Exception | None = None
        self.held = asyncio.Event()
        self.held.set()
        self.n_canaries = self.n_under_way = self.n_most = 0
        self.pulse = Pulse(self._canary, silent_after_s=0.0)

    async def _canary(self) -> None:
        self.n_canaries += 1
        self.n_under_way += 1
        self.n_most = max(self.n_most, self.n_under_way)
        await self.held.wait()
        self.n_under_way -= 1
        if self.outcome is not None:
            raise self.outcome
        self.pulse.answered()


def scenario(run: Callable[[FakeTriton], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def test() -> None:
        async def whole() -> None:
            triton = FakeTriton()
            await asyncio.wait_for(run(triton), SOON_S)
            triton.pulse.stop()

        asyncio.run(whole())

    return test


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CANARY_EVERY_S", 0.01)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


@scenario
async def test_a_fresh_answer_is_proof_enough(triton: FakeTriton) -> None:
    triton.pulse.answered()
    assert await triton.pulse.is_ready()
    assert triton.n_canaries == 0


@scenario
async def test_without_one_readiness_waits_for_a_canary(triton: FakeTriton) -> None:
    assert await triton.pulse.is_ready()
    assert await triton.pulse.is_ready()
    assert triton.n_canaries == 1


@scenario
async def test_all_who_ask_wait_for_one_canary(triton: FakeTriton) -> None:
    triton.held.clear()
    asking = [asyncio.create_task(triton.pulse.is_ready()) for _ in range(50)]
    await until(lambda: triton.n_canaries > 0)
    asking[0].cancel()
    triton.held.set()
    assert all(await asyncio.gather(*asking[1:]))
    assert (triton.n_canaries, triton.n_most) == (1, 1)


@scenario
async def test_a_canary_that_fails_shows_that_triton_is_down_until_one_is_answered(
    triton: FakeTriton,
) -> None:
    told: list[bool] = []
    triton.pulse.on_down = told.append
    triton.pulse.answered()
    triton.outcome = Unavailable(REFUSED)
    triton.pulse.doubt()
    await until(lambda: triton.pulse.down is not None)
    assert triton.pulse.down == REFUSED
    assert not await triton.pulse.is_ready()  # however fresh the last answer is
    await until(lambda: triton.n_canaries > 3)
    triton.outcome = None
    await until(lambda: triton.pulse.down is None)
    assert await triton.pulse.is_ready()
    assert triton.n_most == 1
    assert told == [True, False]


@scenario
async def test_the_answer_to_a_request_shows_that_triton_is_back(triton: FakeTriton) -> None:
    triton.outcome = Unavailable(REFUSED)
    assert not await triton.pulse.is_ready()
    triton.pulse.answered()
    assert triton.pulse.down is None


@scenario
async def test_a_late_canary_makes_triton_not_ready_but_not_yet_down(triton: FakeTriton) -> None:
    triton.pulse._silent_after_s = SOON_S
    triton.outcome = Late("late")
    assert not await triton.pulse.is_ready()
    assert triton.pulse.down is None


@scenario
async def test_long_silence_and_a_late_canary_show_that_triton_is_down(triton: FakeTriton) -> None:
    triton.outcome = Late("late")
    assert not await triton.pulse.is_ready()
    assert triton.pulse.down == "late"


@scenario
async def test_a_late_canary_tells_nothing_while_requests_are_answered(triton: FakeTriton) -> None:
    triton.held.clear()
    triton.outcome = Late("late")
    asking = asyncio.create_task(triton.pulse.is_ready())
    await until(lambda: triton.n_canaries > 0)
    triton.pulse.answered()
    triton.held.set()
    assert await asking
    assert triton.pulse.down is None
