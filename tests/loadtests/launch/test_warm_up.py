"""What is slow or refused right after the start does not count against a contender's answers."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from loadtests.launch import parity, warm_up
from loadtests.launch.parity import check_answers
from loadtests.wire.address import Address
from loadtests.wire.formats import JsonWire
from loadtests.wire.probe import ProbeError, open_probe
from loadtests.wire.texts import TrafficText

TEXTS = [TrafficText(k, f"text {k}", n, "right", 0.25) for k, n in enumerate((9, 30, 60, 120) * 7)]
N_BUCKETS, N_ASKED = 4, 24
N_WARM_UP = 2 * N_BUCKETS
TOO_LATE = (503, {}, b"waited too long")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "PAUSE_AFTER_REFUSAL_S", 0.001)
    monkeypatch.setattr(warm_up, "PAUSE_AFTER_FAILURE_S", 0.001)


@pytest.fixture
def contender(foreign: Any) -> Callable[..., Address]:
    """One that answers its n-th request, from 0 on, with what reply_of says, or rightly."""

    def start(reply_of: Callable[[int], tuple[int, dict[str, str], bytes] | None]) -> Address:
        foreign.label_of = lambda _: "right"
        rightly = foreign.answer
        asked: list[bytes] = []

        def answer(path: str, headers: dict[str, str], body: bytes) -> Any:
            asked.append(body)
            foreign.reply = reply_of(len(asked) - 1)
            return rightly(path, headers, body)

        foreign.answer = answer
        host, _, port = foreign.url.removeprefix("http://").partition(":")
        wire = JsonWire(
            path="/v1/classify",
            body='{"inputs": ["{text}"]}',
            label="predictions[0].label",
            confidence="predictions[0].score",
        )
        return Address("http-json", host, int(port), wire)

    return start


def texts_seen(foreign: Any) -> list[str]:
    return [text for _, text in foreign.seen]


def test_one_text_of_each_length_is_asked_before_the_answers_count(contender, foreign) -> None:
    compared = check_answers(contender(lambda _: None), TEXTS)
    first = [text.text for text in TEXTS[:N_BUCKETS]]
    assert texts_seen(foreign)[:N_WARM_UP] == first * 2
    assert [pair.text.text for pair in compared] == texts_seen(foreign)[N_WARM_UP:]
    assert len(compared) == N_ASKED


@pytest.mark.parametrize("reply", [TOO_LATE, (500, {}, b"no"), (200, {}, b"{}")])
def test_a_contender_whose_first_answers_fail_has_parity(reply, contender, foreign) -> None:
    compared = check_answers(contender(lambda n: reply if n < 6 else None), TEXTS)
    assert [pair for pair in compared if not pair.agrees(0.001)] == []
    assert len(foreign.seen) == 6 + N_WARM_UP + N_ASKED


def test_the_warm_up_of_one_that_never_answers_ends(
    contender, foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm_up, "WITHIN_S", 0.2)
    with pytest.raises(ProbeError, match="found 500"):
        check_answers(contender(lambda _: (500, {}, b"no")), TEXTS)
    assert len(foreign.seen) > N_BUCKETS


def test_an_answer_that_is_refused_is_asked_for_again(contender, foreign) -> None:
    compared = check_answers(contender(lambda n: TOO_LATE if n in (10, 20, 21) else None), TEXTS)
    assert [pair.text for pair in compared] == parity.parity_texts(TEXTS)
    assert len(foreign.seen) == N_WARM_UP + N_ASKED + 3


def test_one_that_goes_on_refusing_has_failed(contender, foreign) -> None:
    with pytest.raises(ProbeError, match="found 503: waited too long"):
        check_answers(contender(lambda n: TOO_LATE if n >= N_WARM_UP else None), TEXTS)
    assert len(foreign.seen) == N_WARM_UP + 1 + parity.REFUSALS


def test_a_wrong_answer_is_not_asked_for_again(contender, foreign) -> None:
    address = contender(lambda n: (500, {}, b"no") if n == N_WARM_UP else None)
    with pytest.raises(ProbeError, match="found 500"):
        check_answers(address, TEXTS)
    assert len(foreign.seen) == N_WARM_UP + 1


@pytest.mark.parametrize(
    ("code", "refused"),
    [("UNAVAILABLE", True), ("RESOURCE_EXHAUSTED", True), ("DEADLINE_EXCEEDED", False)],
)
def test_what_grpc_says_when_it_refuses(code: str, refused: bool) -> None:
    class Failed(grpc.RpcError):
        def code(self) -> grpc.StatusCode:
            return grpc.StatusCode[code]

        def details(self) -> str:
            return "in ensemble 'text_classifier', Request timeout expired"

    with pytest.raises(ProbeError) as caught, open_probe(Address("kserve-grpc", "127.0.0.1", 1)):
        raise Failed
    assert caught.value.refused is refused
