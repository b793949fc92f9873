"""What tritonclient says, as the errors of this client."""

import pytest
from tritonclient.utils import InferenceServerException

from servers.triton_service.client.address import Address
from servers.triton_service.client.calls import Call
from servers.triton_service.client.causes import translated
from servers.triton_service.client.errors import (
    BusyError,
    ClientError,
    FailedError,
    LateError,
    RefusedError,
    UnknownModelError,
    UnreachableError,
)
from servers.triton_service.client.waiting import Deadline

ADDRESS = Address("grpc", "localhost:8001")
CALL = Call("model 'bert'", "infer", Deadline(0.5, end_s=0.0))

SAID: list[tuple[str, str, str | None, type[ClientError], str]] = [
    (
        "Exceeds maximum queue size",
        "StatusCode.UNAVAILABLE",
        "",
        BusyError,
        "model 'bert': Triton takes no request now: Exceeds maximum queue size: try again later.",
    ),
    (
        "[request id: <id_unknown>] Exceeds maximum queue size",
        "503",
        None,
        BusyError,
        "model 'bert': Triton takes no request now: Exceeds maximum queue size: try again later.",
    ),
    (
        "failed to connect to all addresses; last error: Connection refused",
        "StatusCode.UNAVAILABLE",
        "",
        UnreachableError,
        "expected a Triton at grpc://localhost:8001, found none (failed to connect to all "
        "addresses; last error: Connection refused): see whether it runs, and the port.",
    ),
    (
        "Deadline Exceeded",
        "StatusCode.DEADLINE_EXCEEDED",
        "",
        LateError,
        "model 'bert': expected an answer within 0.5 s, found none: allow more time, or ask for "
        "less.",
    ),
    (
        "Request for unknown model: 'bert' is not found",
        "404",
        None,
        UnknownModelError,
        "model 'bert': expected it to be served at grpc://localhost:8001, found: Request for "
        "unknown model: 'bert' is not found: see the name and whether it is loaded.",
    ),
    (
        "Request for unknown model: 'bert' has no available versions",
        "StatusCode.UNAVAILABLE",
        "",
        UnknownModelError,
        "model 'bert': expected it to be served at grpc://localhost:8001, found: Request for "
        "unknown model: 'bert' has no available versions: see the name and whether it is loaded.",
    ),
    (
        "TEXT: expected a text,\nfound an empty one.",
        "StatusCode.INVALID_ARGUMENT",
        "",
        RefusedError,
        "model 'bert': Triton refused the request: TEXT: expected a text, found an empty one.",
    ),
    (
        "This protocol is restricted, expecting header 'x'",
        "StatusCode.UNAVAILABLE",
        "",
        RefusedError,
        "model 'bert': Triton refused the request: This protocol is restricted, expecting header "
        "'x'.",
    ),
    (
        "Stub process 'bert_0_0' is not healthy.",
        "500",
        None,
        FailedError,
        "model 'bert': Triton failed: Stub process 'bert_0_0' is not healthy.",
    ),
    (
        "an exception occurred in the client while decoding the response",
        "404",
        "<html>",
        UnreachableError,
        "expected a Triton at grpc://localhost:8001, found a service that answers otherwise "
        "(HTTP 404): correct the address.",
    ),
    (
        "Method not found!",
        "StatusCode.UNIMPLEMENTED",
        "",
        UnreachableError,
        "expected a Triton at grpc://localhost:8001, found a service that answers otherwise "
        "(gRPC UNIMPLEMENTED): correct the address.",
    ),
]


@pytest.mark.parametrize(("message", "status", "details", "kind", "sentence"), SAID)
def test_a_failure_becomes_an_error_of_its_own_with_one_sentence(
    message: str, status: str, details: str | None, kind: type[ClientError], sentence: str
) -> None:
    error = translated(InferenceServerException(message, status, details), CALL, ADDRESS)
    assert (type(error), str(error)) == (kind, sentence)
