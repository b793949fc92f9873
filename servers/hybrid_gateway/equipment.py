"""What the gateway is equipped with for its features; the libraries of those that are off are not
even imported."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from servers.hybrid_gateway.breaker import Breaker
from servers.hybrid_gateway.clients import Credentials
from servers.hybrid_gateway.drain import Drain
from servers.hybrid_gateway.features import MEMORY, Features
from servers.hybrid_gateway.turns import Turns

if TYPE_CHECKING:
    from servers.hybrid_gateway.metrics import Metrics
    from servers.hybrid_gateway.rate_limits import Limiter, Store


@dataclass(frozen=True)
class Equipment:
    """None: without it. limiter is for requests, quota for texts."""

    credentials: Credentials | None = None
    limiter: "Limiter | None" = None
    quota: "Limiter | None" = None
    store: "Store | None" = None
    breaker: Breaker | None = None
    turns: Turns | None = None
    metrics: "Metrics | None" = None
    drain: Drain | None = None


def equip(features: Features) -> Equipment:
    """FeatureError where keys, tokens or limits cannot be read."""
    metrics = _metrics() if features.metrics else None
    store = _store(features, metrics) if features.are_limited else None
    return Equipment(
        credentials=_credentials(features),
        limiter=_limiter(features.rate_limits, "requests", store),
        quota=_limiter(features.quotas, "texts", store),
        store=store,
        breaker=_breaker(features, metrics),
        turns=_turns(features, metrics),
        metrics=metrics,
        drain=Drain(features.drain_notice_s) if features.drain_notice_s else None,
    )


def _credentials(features: Features) -> Credentials | None:
    if features.auth == "keys":
        from servers.hybrid_gateway.api_keys import ApiKeys

        return ApiKeys.parse(features.keys)
    if features.auth == "jwt":
        from servers.hybrid_gateway.tokens import Tokens

        return Tokens.parse(features.jwks, features.jwt_issuer, features.jwt_audience)
    return None


def _metrics() -> "Metrics":
    from servers.hybrid_gateway.metrics import Metrics

    return Metrics()


def _store(features: Features, metrics: "Metrics | None") -> "Store":
    from servers.hybrid_gateway.rate_limits import Store, in_redis

    if features.limits_storage == MEMORY:
        return Store()
    shared = in_redis(features.limits_storage)
    return Store(shared, metrics.store_failures.inc) if metrics else Store(shared)


def _limiter(limits: str, unit: str, store: "Store | None") -> "Limiter | None":
    if not (limits and store):
        return None
    from servers.hybrid_gateway.rate_limits import Limiter

    return Limiter(limits, unit, store)


def _breaker(features: Features, metrics: "Metrics | None") -> Breaker | None:
    if not features.breaker_failures:
        return None
    made = (features.breaker_failures, features.breaker_open_s)
    if metrics is None:
        return Breaker(*made)
    gauge = metrics.breaker_open
    return Breaker(*made, lambda is_open: gauge.set(int(is_open)))


def _turns(features: Features, metrics: "Metrics | None") -> Turns | None:
    if not features.max_at_triton:
        return None
    n = features.max_at_triton
    return Turns(n, metrics.waiting.inc) if metrics else Turns(n)
