"""What tritonclient and the network say when a call fails, as the errors of this client."""

import re

from tritonclient.utils import InferenceServerException

from servers.triton_service.client.address import Address
from servers.triton_service.client.calls import Call
from servers.triton_service.client.errors import (
    BusyError,
    ClientError,
    FailedError,
    LateError,
    RefusedError,
    UnknownModelError,
    UnreachableError,
)

_NO_ID = "[request id: <id_unknown>] "
_BUSY = re.compile(
    "Exceeds maximum queue size|Request timeout expired|stopped accepting|Server not ready"
)
"""Triton's own words with the status UNAVAILABLE. gRPC gives lost connections the same status and
does not say who has set it: whatever Triton did not surely say is taken for a lost connection."""
_REFUSED = {
    *("INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "RESOURCE_EXHAUSTED"),
    *("FAILED_PRECONDITION", "UNAUTHENTICATED", "PERMISSION_DENIED"),
    *("400", "401", "403", "404", "413"),
}


def translated(error: InferenceServerException, call: Call, address: Address) -> ClientError:
    """By the status and, where one status has several causes, by what was said with it."""
    status = str(error.status()).removeprefix("StatusCode.")
    details = error.debug_details()
    message = _one_line(str(error.message() or "no reason given"))
    if status == "UNIMPLEMENTED" or (status.isdigit() and details is not None):
        return no_triton(f"{'HTTP' if status.isdigit() else 'gRPC'} {status}", address)
    if status == "DEADLINE_EXCEEDED":
        return late(call)
    if "unknown model" in message.lower():
        return UnknownModelError(
            f"{call.about}: expected it to be served at {address}, found: {message}: see the name "
            "and whether it is loaded."
        )
    if status in _REFUSED or "is restricted" in message:
        return RefusedError(f"{call.about}: Triton refused the request: {message}.")
    if status == "UNAVAILABLE" and not _BUSY.search(message):
        return gone(message, address)
    if status in ("UNAVAILABLE", "503"):
        return BusyError(f"{call.about}: Triton takes no request now: {message}: try again later.")
    return FailedError(f"{call.about}: Triton failed: {message}.")


def late(call: Call) -> LateError:
    return LateError(
        f"{call.about}: expected an answer within {call.deadline.within_s:g} s, found none: allow "
        "more time, or ask for less."
    )


def gone(cause: object, address: Address) -> UnreachableError:
    return UnreachableError(
        f"expected a Triton at {address}, found none ({_one_line(str(cause)) or 'no answer'}): see "
        "whether it runs, and the port."
    )


def no_triton(found: str, address: Address) -> UnreachableError:
    return UnreachableError(
        f"expected a Triton at {address}, found a service that answers otherwise ({found}): "
        "correct the address."
    )


def _one_line(text: str) -> str:
    return " ".join(text.removeprefix(_NO_ID).split()).rstrip(".")
