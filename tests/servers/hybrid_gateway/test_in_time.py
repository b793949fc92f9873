"""What the gateway does with requests that cannot be answered in time. Triton is played here."""

import asyncio
import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from servers.classifier.encoding import read_labels
from servers.http_limits import ARRIVAL, Arrival
from servers.hybrid_gateway.admission import Admission

from .played import DEADLINE_S, MOST, SOON_S, TEXT, FakeTriton, Gateway, answer_on, reset, until


@pytest.fixture(scope="module")
def shared(model_dir: Path) -> Iterator[tuple[FakeTriton, Gateway]]:
    triton = FakeTriton(len(read_labels(model_dir)))
    gateway = Gateway(triton, model_dir)
    until(lambda: hasattr(gateway.app.state, "gateway"))
    yield triton, gateway
    gateway.stop()
    triton.stop()


@pytest.fixture
def triton(shared: tuple[FakeTriton, Gateway]) -> Iterator[FakeTriton]:
    """As new before each test: it answers, and the gateway has seen it."""
    triton, gateway = shared
    triton.stop()
    triton.start()
    until(lambda: gateway.ask(TEXT)[0] == 200)
    triton.n_asked = 0
    yield triton
    triton.released.set()


@pytest.fixture
def gateway(shared: tuple[FakeTriton, Gateway]) -> Gateway:
    return shared[1]


@pytest.fixture
def patient(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """With a deadline that no test waits for."""
    monkeypatch.setattr(gateway.app.state.gateway, "_deadline_s", 3 * SOON_S)
    return gateway


@pytest.fixture
def hurried(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """With a deadline that is soon over."""
    monkeypatch.setattr(gateway.app.state.gateway, "_deadline_s", 0.2)
    return gateway


def test_a_request_ends_at_its_deadline_and_its_inference_with_it(
    triton: FakeTriton, hurried: Gateway
) -> None:
    triton.released.clear()
    status, detail, retry_after = hurried.ask(TEXT)
    assert (status, retry_after) == (503, "1")
    assert "did not answer within the deadline" in detail
    until(lambda: triton.n_abandoned == 1)


def test_a_large_batch_ends_at_its_deadline_in_all_its_parts(
    triton: FakeTriton, hurried: Gateway
) -> None:
    triton.released.clear()
    status, _, _ = hurried.ask({"texts": ["a"] * 64}, "/batch_predict")
    assert status == 503
    until(lambda: triton.n_abandoned == 2)


@pytest.mark.parametrize(
    ("path", "body", "n_inferences"),
    [("/predict", TEXT, 1), ("/batch_predict", {"texts": ["a"] * 64}, 2)],
)
def test_a_caller_who_goes_away_ends_its_inference(
    triton: FakeTriton, patient: Gateway, path: str, body: object, n_inferences: int
) -> None:
    triton.released.clear()
    connection = patient.send(body, path)
    until(lambda: triton.n_asked == n_inferences)
    reset(connection)
    until(lambda: triton.n_abandoned == n_inferences)


def test_callers_who_have_gone_leave_room_for_others(triton: FakeTriton, patient: Gateway) -> None:
    triton.released.clear()
    callers = [patient.send(TEXT) for _ in range(MOST)]
    until(lambda: triton.n_asked == MOST)
    for connection in callers:
        reset(connection)
    until(lambda: triton.n_abandoned == MOST)
    another = patient.send(TEXT)
    until(lambda: triton.n_asked == MOST + 1)
    triton.released.set()
    assert answer_on(another)[0] == 200


def test_the_deadline_counts_from_the_last_byte_of_the_request(
    triton: FakeTriton, gateway: Gateway
) -> None:
    body = json.dumps(TEXT).encode()
    head = b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    connection = http.client.HTTPConnection(*gateway.address, timeout=SOON_S)
    connection.connect()
    connection.sock.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body[:5])
    time.sleep(DEADLINE_S + 0.1)  # the caller's own slowness
    connection.sock.sendall(body[5:])
    response = http.client.HTTPResponse(connection.sock)
    response.begin()
    assert response.status == 200
    connection.close()


def test_more_requests_than_fit_are_refused_at_once(triton: FakeTriton, gateway: Gateway) -> None:
    triton.released.clear()
    waiting = [gateway.send(TEXT) for _ in range(MOST)]
    until(lambda: triton.n_asked == MOST)
    refused = gateway.ask(TEXT)
    assert triton.n_asked == MOST
    triton.released.set()
    assert refused == (
        503,
        f"expected at most {MOST} requests in progress, found as many: try again later.",
        "1",
    )
    assert [answer_on(connection)[0] for connection in waiting] == [200] * MOST
    assert gateway.ask(TEXT)[0] == 200


def test_a_triton_that_says_ready_but_fails_inferences_is_not_ready(
    triton: FakeTriton, gateway: Gateway
) -> None:
    triton.error = "Failed to process the request(s): Stub process is not healthy."
    status, detail, retry_after = gateway.ask(TEXT)
    assert (status, retry_after) == (503, "1")
    assert "Stub process is not healthy" in detail
    until(lambda: gateway.pulse.down is not None)
    assert gateway.ask(path="/health/ready") == (503, {"status": "not ready"}, "1")

    triton.error = None
    until(gateway.is_ready)
    assert gateway.ask(TEXT)[0] == 200


def test_requests_fail_without_asking_while_triton_is_known_to_be_down(
    triton: FakeTriton, gateway: Gateway
) -> None:
    triton.released.clear()  # whoever asks now would wait
    gateway.pulse.down = "Triton is down"
    try:
        answers = [gateway.ask(TEXT), gateway.ask({"texts": ["a"]}, "/batch_predict")]
        stats = gateway.ask(path="/stats")
    finally:
        gateway.pulse.down = None
    assert [*answers, stats] == [(503, "Triton is down", "1")] * 3
    assert triton.n_asked == 0


def test_a_triton_that_went_away_and_came_back_is_found_again(
    triton: FakeTriton, gateway: Gateway
) -> None:
    triton.stop()
    assert gateway.ask(TEXT)[0] == 503
    until(lambda: gateway.pulse.down is not None)
    assert not gateway.is_ready()

    triton.start()
    until(gateway.is_ready)
    assert gateway.ask(TEXT)[0] == 200


@pytest.mark.parametrize(("waited_s", "gone"), [(DEADLINE_S, False), (0.0, True)])
def test_what_nobody_waits_for_any_more_is_refused_before_it_is_read(
    waited_s: float, gone: bool
) -> None:
    """A busy event loop comes to a request only after its deadline, or its caller's end."""

    async def never(*_: object) -> None:
        raise AssertionError("expected a refusal before this")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    model = SimpleNamespace(pulse=SimpleNamespace(down=None))
    app = SimpleNamespace(state=SimpleNamespace(gateway=SimpleNamespace(model=model)))
    arrival = Arrival(time.monotonic() - waited_s, gone)
    scope = {"type": "http", "path": "/predict", "app": app, "state": {ARRIVAL: arrival}}
    asyncio.run(Admission(never, DEADLINE_S)(scope, never, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 503
