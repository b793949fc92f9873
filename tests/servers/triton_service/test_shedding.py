"""What the running ensemble does with more than it can answer, where its queue has a bound."""

from typing import Any

import grpc
import pytest

pytestmark = pytest.mark.live


def test_what_waited_too_long_is_refused_through_the_ensemble_and_the_rest_is_answered(
    start_triton: Any, client_of: Any
) -> None:
    running = start_triton(queue_timeout_us=1000)
    running.wait_until_ready()
    client = client_of(running)

    pending = [client.send(["Where is my order?"]) for _ in range(300)]

    refused = [error for call in pending if (error := call.exception())]
    assert 0 < len(refused) < len(pending)
    assert {error.code() for error in refused} == {grpc.StatusCode.UNAVAILABLE}
    assert {error.details() for error in refused} == {
        "in ensemble 'text_classifier', Request timeout expired"
    }
    assert client.send(["Where is my order?"]).result()
