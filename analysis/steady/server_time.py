"""Where the time of a request went, as the server's own statistics say."""

from collections.abc import Sequence

from pydantic import Field

from analysis.read.value import Value, over
from analysis.steady.sample import Sample, total


class ServerTime(Value):
    """Means a success. The parts inside Triton are over whole slices, their warm-up included;
    latency is over the steady state, so what lies outside is known to about their difference."""

    outside_ms: float | None = Field(
        description="Mean latency less request_ms: network, HTTP or gRPC, a gateway and its "
        "tokeniser, the client; null: no mean latency."
    )
    request_ms: float = Field(description="In Triton, from the request read to its answer.")
    tokenise_queue_ms: float | None = Field(
        description="Of that, the wait for the tokeniser; null: no model of its own."
    )
    tokenise_ms: float | None = Field(description="Of that, the tokeniser; null as above.")
    queue_ms: float = Field(description="Of that, the wait for a batch and an instance.")
    network_ms: float = Field(
        description="Of that, the pass of its batch, with the copies in and out; a tokeniser in "
        "the same model included."
    )
    other_ms: float = Field(
        description="Of that, the rest; below zero where one step ends while the next runs."
    )


def server_time(samples: Sequence[Sample], latency_mean_ms: float | None) -> ServerTime | None:
    """None where the server says nothing of its times."""
    n_ok = total(samples, "requests_ok")

    def mean_ms(counter: str) -> float | None:
        mean_ns = over(total(samples, counter), n_ok)
        return None if mean_ns is None else mean_ns / 1e6

    request_ms, queue_ms, network_ms = map(mean_ms, ("request_ns", "queue_ns", "network_ns"))
    if request_ms is None or queue_ms is None or network_ms is None:
        return None
    tokenise_queue_ms, tokenise_ms = mean_ms("tokenise_queue_ns"), mean_ms("tokenise_ns")
    parts_ms = (tokenise_queue_ms, tokenise_ms, queue_ms, network_ms)
    return ServerTime(
        outside_ms=None if latency_mean_ms is None else latency_mean_ms - request_ms,
        request_ms=request_ms,
        tokenise_queue_ms=tokenise_queue_ms,
        tokenise_ms=tokenise_ms,
        queue_ms=queue_ms,
        network_ms=network_ms,
        other_ms=request_ms - sum(part or 0.0 for part in parts_ms),
    )
