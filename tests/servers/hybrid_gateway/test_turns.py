"""Who is with Triton, and who comes next."""

import asyncio

import pytest

from servers.http_metrics import Metrics
from servers.hybrid_gateway.turns import Turns
from servers.metric_names import QUEUE_LENGTH

SOON_S = 20.0


def test_at_most_so_many_are_inside_and_the_others_come_in_their_order() -> None:
    metrics = Metrics()
    came: list[int] = []
    most = 0

    async def whole() -> None:
        nonlocal most
        turns, go_on, inside = Turns(2, metrics), asyncio.Event(), 0

        async def visit(number: int) -> None:
            nonlocal inside, most
            async with turns:
                came.append(number)
                inside += 1
                most = max(most, inside)
                await go_on.wait()
                inside -= 1

        visits = [asyncio.create_task(visit(number)) for number in range(6)]
        while len(came) < 2:
            await asyncio.sleep(0)
        assert metrics.value(QUEUE_LENGTH) == 4
        go_on.set()
        await asyncio.gather(*visits)

    asyncio.run(asyncio.wait_for(whole(), SOON_S))
    assert came == list(range(6))
    assert most == 2
    assert metrics.value(QUEUE_LENGTH) == 0


def test_who_leaves_the_queue_takes_nobodys_turn() -> None:
    async def whole() -> None:
        metrics = Metrics()
        turns = Turns(1, metrics)
        async with turns:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(turns.__aenter__(), 0.01)
            assert metrics.value(QUEUE_LENGTH) == 0
        async with turns:
            pass

    asyncio.run(asyncio.wait_for(whole(), SOON_S))
