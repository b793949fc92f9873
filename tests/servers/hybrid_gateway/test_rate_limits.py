"""How much a client may ask for, how long he is told to wait, and what happens without Redis."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from servers.hybrid_gateway import rate_limits
from servers.hybrid_gateway.features import FeatureError
from servers.hybrid_gateway.rate_limits import Exceeded, Limiter, Shared, Store, in_redis, wait_s

SOON_S = 20.0


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), SOON_S))


def estimate(window: tuple[int, float, int, float], period_s: float, later_s: float) -> float:
    """What the count is taken for, later_s after the window was read and with nothing added."""
    previous, previous_s, current, current_s = window
    until_next_s = current_s % period_s if current else previous_s
    if later_s < until_next_s or not current:
        return previous * max(0.0, previous_s - later_s) / period_s + current
    return current * max(0.0, 1 - (later_s - until_next_s) / period_s)


@pytest.mark.parametrize(
    "window",
    [
        (10, 30.0, 6, 90.0),
        (10, 59.0, 1, 119.0),
        (10, 1.0, 10, 61.0),
        (0, 0.0, 10, 100.0),
        (20, 45.0, 9, 105.0),
        (10, 60.0, 0, 120.0),
    ],
)
@pytest.mark.parametrize("cost", [1, 4, 10])
def test_after_the_wait_the_cost_fits_and_shortly_before_it_does_not(
    window: tuple[int, float, int, float], cost: int
) -> None:
    """A request fits where the whole part of the estimate and its cost are within the limit."""
    amount, period_s = 10, 60.0
    wait = wait_s(window, amount, period_s, cost)

    assert int(estimate(window, period_s, wait + 1e-6)) + cost <= amount
    if wait > 0:
        assert int(estimate(window, period_s, wait - 1e-3)) + cost > amount


def test_what_never_fits_waits_a_whole_period() -> None:
    assert wait_s((0, 0.0, 0, 0.0), 10, 60.0, cost=11) == 60.0


@pytest.mark.parametrize(
    ("wait", "said"), [(0.0, 1), (0.2, 1), (1.0, 1), (1.001, 2), (86_399, 86_399)]
)
def test_retry_after_is_in_whole_seconds_and_not_too_early(wait: float, said: int) -> None:
    assert Exceeded("", wait).retry_after_s == said


def test_each_client_has_limits_of_his_own() -> None:
    async def scenario() -> None:
        limiter = Limiter("2/hour", "requests", Store())
        assert await limiter.exceeded("shop") is None
        assert await limiter.exceeded("shop") is None
        exceeded = await limiter.exceeded("shop")
        assert exceeded is not None
        assert exceeded.detail == "expected at most 2 requests per hour of one client, found more."
        assert 0 < exceeded.wait_s <= 2 * 3600
        assert await limiter.exceeded("bank") is None

    run(scenario)


def test_the_strictest_of_several_limits_decides() -> None:
    async def scenario() -> None:
        limiter = Limiter("100/hour; 1 per 2 days", "requests", Store())
        assert await limiter.exceeded("shop") is None
        exceeded = await limiter.exceeded("shop")
        assert exceeded is not None
        assert "1 requests per 2 days" in exceeded.detail

    run(scenario)


def test_texts_and_requests_are_counted_apart() -> None:
    async def scenario() -> None:
        store = Store()
        assert await Limiter("64/day", "texts", store).exceeded("shop", 64) is None
        assert await Limiter("64/day", "texts", store).exceeded("shop") is not None
        assert await Limiter("64/day", "requests", store).exceeded("shop") is None

    run(scenario)


def test_what_is_refused_is_not_counted() -> None:
    async def scenario() -> None:
        limiter = Limiter("10/day", "texts", Store())
        assert await limiter.exceeded("shop", 8) is None
        assert await limiter.exceeded("shop", 3) is not None
        assert await limiter.exceeded("shop", 2) is None

    run(scenario)


@pytest.mark.parametrize("text", ["often", "1/fortnight", "-1/second", "1/second;", ""])
def test_limits_that_cannot_be_read_are_refused_in_words(text: str) -> None:
    with pytest.raises(FeatureError, match='expected limits such as "20/second; 600/minute"'):
        Limiter(text, "requests", Store())


def test_an_address_that_is_no_redis_is_refused_and_not_shown() -> None:
    with pytest.raises(FeatureError) as refused:
        in_redis("http://:my-password@somewhere")
    assert "my-password" not in str(refused.value)


class BrokenStorage(MemoryStorage):
    """As a Redis that answers, fails or hangs."""

    error: Exception | None = None
    n_asked = 0

    async def acquire_sliding_window_entry(self, *args: Any, **named: Any) -> bool:
        self.n_asked += 1
        if self.error is not None:
            raise self.error
        return await super().acquire_sliding_window_entry(*args, **named)


class Pool:
    async def aclose(self) -> None: ...


@pytest.mark.parametrize("error", [StorageError(OSError()), TimeoutError(), ConnectionError()])
def test_without_redis_requests_go_on_and_are_counted_here(
    error: Exception,
) -> None:
    async def scenario() -> None:
        storage, failures = BrokenStorage(), []
        storage.error = error
        store = Store(Shared(storage, Pool()), lambda: failures.append(1))  # type: ignore[arg-type]
        limiter = Limiter("2/hour", "requests", store)

        assert await limiter.exceeded("shop") is None
        assert await limiter.exceeded("shop") is None
        assert await limiter.exceeded("shop") is not None  # a limit there is, all the same
        assert (storage.n_asked, len(failures)) == (1, 1)  # it is not asked again at once

        storage.error = None
        store._ask_again_s = 0.0  # as after the pause
        assert await limiter.exceeded("shop") is None
        assert storage.n_asked == 2

    run(scenario)


def test_a_redis_that_hangs_costs_a_quarter_of_a_second_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Hanging(BrokenStorage):
        async def acquire_sliding_window_entry(self, *_: Any, **__: Any) -> bool:
            self.n_asked += 1
            await asyncio.Event().wait()
            return True

    async def scenario() -> None:
        monkeypatch.setattr(rate_limits, "STORE_WITHIN_S", 0.01)
        storage = Hanging()
        limiter = Limiter("9/hour", "requests", Store(Shared(storage, Pool())))  # type: ignore[arg-type]
        for _ in range(3):
            assert await limiter.exceeded("shop") is None
        assert storage.n_asked == 1

    run(scenario)


def test_two_workers_share_the_counts_of_a_real_redis(real_redis: Any) -> None:
    async def scenario() -> None:
        stores = [Store(in_redis(real_redis.url)) for _ in range(2)]
        workers = [Limiter("3/hour", "requests", store) for store in stores]
        answers = [await workers[k % 2].exceeded("shop") for k in range(4)]
        assert answers[:3] == [None] * 3
        assert answers[3] is not None
        assert 0 < answers[3].wait_s <= 2 * 3600
        for store in stores:
            await store.close()

    run(scenario)


def test_a_redis_that_is_gone_is_found_out_at_once() -> None:
    """Nothing listens there."""

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        failures: list[int] = []
        store = Store(in_redis(f"redis://127.0.0.1:{port}/0"), lambda: failures.append(1))
        limiter = Limiter("1/hour", "requests", store)
        assert await limiter.exceeded("shop") is None
        assert await limiter.exceeded("shop") is not None
        assert failures == [1]
        await store.close()

    run(scenario)


def test_the_library_counts_as_the_wait_expects() -> None:
    """wait_s is this project's; when a hit fits is the library's."""

    async def scenario() -> None:
        storage = MemoryStorage()
        (item,) = rate_limits.parsed("5/hour")
        limiter = SlidingWindowCounterRateLimiter(storage)
        for _ in range(5):
            assert await limiter.hit(item, "shop")
        assert not await limiter.hit(item, "shop")
        window = await storage.get_sliding_window(item.key_for("shop"), item.get_expiry())
        assert window[2] == 5
        wait = wait_s(window, 5, 3600, cost=1)
        assert window[3] - 3600 <= wait <= window[3]

    run(scenario)
