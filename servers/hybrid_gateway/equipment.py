"""What the gateway is equipped with for its features; the libraries of those that are off are not
even imported."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from servers.http_metrics import Metrics
from servers.hybrid_gateway.breaker import Breaker
from servers.hybrid_gateway.clients import Credentials
from servers.hybrid_gateway.drain import Drain
from servers.hybrid_gateway.features import MEMORY, Features
from servers.hybrid_gateway.turns import Turns
from servers.metric_names import BREAKER_OPEN, STORE_FAILURES

if TYPE_CHECKING:
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
    drain: Drain | None = None


def equip(features: Features, metrics: Metrics) -> Equipment:
    """FeatureError where keys, tokens or limits cannot be read."""
    store = _store(features, metrics) if features.are_limited else None
    return Equipment(
        credentials=_credentials(features),
        limiter=_limiter(features.rate_limits, "requests", store),
        quota=_limiter(features.quotas, "texts", store),
        store=store,
        breaker=_breaker(features, metrics),
        turns=_turns(features, metrics),
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


def _store(features: Features, metrics: Metrics) -> "Store":
    from servers.hybrid_gateway.rate_limits import Store, in_redis

    if features.limits_storage == MEMORY:
        return Store()
    shared = in_redis(features.limits_storage)
    return Store(shared, lambda: metrics.add(STORE_FAILURES, 1))


def _limiter(limits: str, unit: str, store: "Store | None") -> "Limiter | None":
    if not (limits and store):
        return None
    from servers.hybrid_gateway.rate_limits import Limiter

    return Limiter(limits, unit, store)


def _breaker(features: Features, metrics: Metrics) -> Breaker | None:
    if not features.breaker_failures:
        return None
    return Breaker(
        features.breaker_failures,
        features.breaker_open_s,
        lambda is_open: metrics.add(BREAKER_OPEN, 1 if is_open else -1),
    )


def _turns(features: Features, metrics: Metrics) -> Turns | None:
    if not features.max_at_triton:
        return None
    return Turns(features.max_at_triton, metrics)
