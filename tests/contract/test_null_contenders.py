"""What the null contenders promise: they answer, they count, they stop."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from servers.discovery import Contender


def applies_to(contender: Contender) -> bool:
    return contender.engine == "none"


def test_every_text_gets_the_fixed_answer(server: Any) -> None:
    client = server.client()
    for text in ("你好", "hello", "😡"):
        answer = client.classify(text)
        assert (answer.label, answer.confidence) == ("null", 1.0)


def test_64_concurrent_requests_are_all_answered_and_counted(server: Any) -> None:
    clients = [server.client() for _ in range(64)]
    before = server.answered()
    with ThreadPoolExecutor(64) as callers:
        answers = list(callers.map(lambda client: client.classify("a"), clients))
    assert {answer.label for answer in answers} == {"null"}
    assert server.answered() - before == 64
