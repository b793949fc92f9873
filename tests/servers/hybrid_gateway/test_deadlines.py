"""How long a caller waits, by his own word and the gateway's; Triton is played here."""

import time
from collections.abc import Callable

import pytest

from servers.http_limits import Arrival
from servers.hybrid_gateway.calls import Call, TimeoutHeaderError, asked_s

from .played import DEADLINE_S, TEXT, FakeTriton, Gateway, until

Serve = Callable[..., Gateway]
ROUNDED_S = 0.1
"""What gRPC's own rounding may add on the way."""


@pytest.mark.parametrize(
    ("header", "seconds"), [(None, None), ("1", 1.0), ("0.25", 0.25), ("000030", 30.0)]
)
def test_a_callers_deadline_is_in_seconds(header: str | None, seconds: float | None) -> None:
    assert asked_s(header) == seconds


@pytest.mark.parametrize(
    "header", ["", "soon", "-1", "0", "0.0", "1e3", "nan", "inf", "1_0", " 1", "1s", "٣", "9" * 40]
)
def test_a_deadline_that_is_none_is_refused_in_words(header: str) -> None:
    with pytest.raises(TimeoutHeaderError, match="x-request-timeout: expected seconds above 0"):
        asked_s(header)


def test_a_deadline_that_has_passed_is_still_one_that_grpc_takes() -> None:
    assert Call(Arrival(time.monotonic() - 9.0), 1.0).left_s > 0


def test_triton_is_told_the_deadline_of_the_gateway(
    serve_gateway: Serve, played_triton: FakeTriton
) -> None:
    serve_gateway().ask(TEXT)
    left_s = played_triton.calls[-1].left_s
    assert left_s is not None
    assert 0 < left_s <= DEADLINE_S + ROUNDED_S


def test_triton_is_told_the_callers_deadline_where_that_is_shorter(
    serve_gateway: Serve, played_triton: FakeTriton
) -> None:
    serve_gateway().ask(TEXT, x_request_timeout="0.9")
    left_s = played_triton.calls[-1].left_s
    assert left_s is not None
    assert 0 < left_s <= 0.9 + ROUNDED_S


def test_a_caller_cannot_ask_for_more_than_the_gateway_gives(
    serve_gateway: Serve, played_triton: FakeTriton
) -> None:
    serve_gateway().ask(TEXT, x_request_timeout="3600")
    left_s = played_triton.calls[-1].left_s
    assert left_s is not None
    assert left_s <= DEADLINE_S + ROUNDED_S


def test_a_callers_deadline_ends_his_request_and_speaks_not_against_triton(
    serve_gateway: Serve, played_triton: FakeTriton
) -> None:
    gateway = serve_gateway(breaker_failures=1, breaker_open_s=60.0)
    played_triton.released.clear()
    played_triton.n_asked = played_triton.n_abandoned = 0
    try:
        status, detail, _ = gateway.ask(TEXT, x_request_timeout="0.05")
        until(lambda: played_triton.n_abandoned == 1)
    finally:
        played_triton.released.set()
    assert status == 503
    assert "within the deadline" in detail
    assert played_triton.n_asked == 1  # and no canary
    assert gateway.ask(TEXT)[0] == 200  # the breaker is closed


def test_a_deadline_that_cannot_be_read_is_the_callers_mistake(serve_gateway: Serve) -> None:
    status, detail, _ = serve_gateway().ask(TEXT, x_request_timeout="soon")
    assert status == 422
    assert detail == "x-request-timeout: expected seconds above 0 such as 0.5, found 'soon'."
