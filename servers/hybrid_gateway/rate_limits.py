"""How much one client may ask for: requests, refused before their body is read, and texts.

A sliding window, estimated from the counts of this window and the one before: constant memory, and
no burst of twice the limit where two fixed windows meet.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from limits import RateLimitItem, parse_many
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from servers.http_service import COUNTED_PATHS
from servers.hybrid_gateway.facts import facts_of
from servers.hybrid_gateway.features import MEMORY, FeatureError

if TYPE_CHECKING:
    from redis.asyncio import BlockingConnectionPool

STORE_WITHIN_S = 0.25
STORE_PAUSE_S = 5.0
MOST_CONNECTIONS = 32

Storage = MemoryStorage | RedisStorage
Window = tuple[int, float, int, float]
"""Count of the window before and for how long some of it still counts, count of this window and
its lifetime, twice that of a window."""
T = TypeVar("T")


@dataclass(frozen=True)
class Exceeded:
    """wait_s: after which time the same request would be let through."""

    detail: str
    wait_s: float

    @property
    def retry_after_s(self) -> int:
        return max(1, math.ceil(self.wait_s))


def wait_s(window: Window, amount: int, period_s: float, cost: int) -> float:
    """How long until cost more fit; a whole period where they never do."""
    if cost > amount:
        return period_s
    previous, previous_s, current, current_s = window
    room = amount - cost + 1  # the estimate must fall below it
    if current < room:
        # The window before counts for the part of it that is still in view.
        excess = previous * previous_s / period_s - (room - current)
        return max(0.0, excess * period_s / previous) if previous else 0.0
    until_next_s = current_s % period_s
    return until_next_s + period_s * (1 - room / current)


class Store:
    """Where it is counted: in a Redis that all workers share, or in this process.

    While Redis does not answer in time, each worker counts alone and requests go on: a client may
    get as much from each of them. Redis is asked again every STORE_PAUSE_S.
    """

    def __init__(
        self, shared: "Shared | None" = None, on_failure: Callable[[], object] = lambda: None
    ) -> None:
        self._shared = shared
        self._own = MemoryStorage()
        self._on_failure = on_failure
        self._ask_again_s = float("-inf")

    async def do(self, work: Callable[[Storage], Awaitable[T]]) -> T:
        if self._shared is not None and time.monotonic() >= self._ask_again_s:
            try:
                async with asyncio.timeout(STORE_WITHIN_S):
                    return await work(self._shared.storage)
            except (StorageError, TimeoutError, OSError):
                self._ask_again_s = time.monotonic() + STORE_PAUSE_S
                self._on_failure()
        return await work(self._own)

    async def close(self) -> None:
        if self._shared is not None:
            await self._shared.pool.aclose()


class Limiter:
    """limits as the library of that name reads them, such as "20/second; 600/minute", for each
    client; unit says of what."""

    def __init__(self, text: str, unit: str, store: Store) -> None:
        self._items = parsed(text)
        self._unit = unit
        self._store = store

    async def exceeded(self, client: str, cost: int = 1) -> Exceeded | None:
        """None where cost more are within every limit, and are counted now."""
        for item in self._items:
            wait = await self._store.do(partial(_take, item, (self._unit, client), cost))
            if wait is not None:
                limit = f"{item.amount} {self._unit} per {_period(item)}"
                return Exceeded(f"expected at most {limit} of one client, found more.", wait)
        return None

    async def charge(self, scope: Scope, cost: int) -> None:
        """OverQuota where cost more are beyond the limits of who asks."""
        if exceeded := await self.exceeded(asker(scope), cost):
            raise OverQuota(exceeded)


class OverQuota(Exception):
    """A client has no texts left."""

    def __init__(self, exceeded: Exceeded) -> None:
        super().__init__(exceeded.detail)
        self.exceeded = exceeded


async def _take(
    item: RateLimitItem, key: tuple[str, str], cost: int, storage: Storage
) -> float | None:
    """None: it fits, and is counted; else how long until it does."""
    if await SlidingWindowCounterRateLimiter(storage).hit(item, *key, cost=cost):
        return None
    window = await storage.get_sliding_window(item.key_for(*key), item.get_expiry())
    return wait_s(window, item.amount, item.get_expiry(), cost)


def _period(item: RateLimitItem) -> str:
    name = item.GRANULARITY.name
    return name if item.multiples == 1 else f"{item.multiples} {name}s"


def parsed(text: str) -> list[RateLimitItem]:
    try:
        return parse_many(text)
    except ValueError:
        raise FeatureError(
            f'expected limits such as "20/second; 600/minute", found {text!r}.'
        ) from None


@dataclass(frozen=True)
class Shared:
    """A storage in Redis and the connections that it uses."""

    storage: RedisStorage
    pool: "BlockingConnectionPool"


def in_redis(url: str) -> Shared:
    """Counts in the Redis at url; it is not asked yet. No attempt is repeated: a caller waits."""
    from redis.asyncio import BlockingConnectionPool
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=MOST_CONNECTIONS,
            timeout=STORE_WITHIN_S,
            socket_timeout=STORE_WITHIN_S,
            socket_connect_timeout=STORE_WITHIN_S,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:
        # It is not shown: it may hold a password.
        raise FeatureError(
            f'expected limits_storage = "{MEMORY}" or a URL such as "redis://HOST:6379/0", found '
            "something else."
        ) from None
    # Where Redis is, the pool knows.
    options: dict[str, Any] = {"connection_pool": pool}
    storage = RedisStorage(
        "async+redis://", wrap_exceptions=True, implementation="redispy", **options
    )
    return Shared(storage, pool)


def too_many(exceeded: Exceeded) -> JSONResponse:
    headers = {"retry-after": str(exceeded.retry_after_s)}
    return JSONResponse({"detail": exceeded.detail}, 429, headers)


def asker(scope: Scope) -> str:
    """Whose limits apply: the client's, or where there are no names the address's."""
    return facts_of(scope).client or str((scope.get("client") or ("unknown",))[0])


class LimitRate:
    """ASGI middleware: answers 429 to a predict request beyond its client's limits."""

    def __init__(self, app: ASGIApp, limiter: Limiter) -> None:
        self._app = app
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in COUNTED_PATHS:
            await self._app(scope, receive, send)
            return
        exceeded = await self._limiter.exceeded(asker(scope))
        app = self._app if exceeded is None else too_many(exceeded)
        await app(scope, receive, send)
