"""A conversation with Triton as a generator, so that it is written once for callers that wait and
for asyncio: it yields what it wants done, and is sent the result or thrown the error."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from servers.triton_service.client.errors import BusyError, ClientError, UnreachableError
from servers.triton_service.client.waiting import Deadline, Retry

T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """A method of tritonclient's clients, which have the same names in both protocols.

    about begins the sentences that say why it failed.
    """

    about: str
    method: str
    deadline: Deadline
    args: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pause:
    for_s: float


Flow = Generator[Call | Pause, Any, T]


def asked(
    call: Call,
    retry: Retry | None,
    again_after: tuple[type[ClientError], ...] = (BusyError, UnreachableError),
) -> Flow[Any]:
    """The reply to call. It is asked again only where the pause before ends in time."""
    n_failed = 0
    while True:
        try:
            return (yield call)
        except again_after:
            n_failed += 1
            pause_s = retry.pause_s(n_failed) if retry else None
            if pause_s is None or pause_s >= call.deadline.left_s():
                raise
        yield Pause(pause_s)


def drive(
    flow: Flow[T], wire: Callable[[Call], Any], sleep: Callable[[float], None] = time.sleep
) -> T:
    """Carries a conversation on while the caller waits; returns what comes of it."""
    reply: Any = None
    error: ClientError | None = None
    try:
        while True:
            ask = flow.send(reply) if error is None else flow.throw(error)
            reply, error = None, None
            try:
                if isinstance(ask, Pause):
                    sleep(ask.for_s)
                else:
                    reply = wire(ask)
            except ClientError as failed:
                error = failed
    except StopIteration as end:
        result: T = end.value
        return result


async def drive_async(flow: Flow[T], wire: Callable[[Call], Awaitable[Any]]) -> T:
    """The same under asyncio. Cancelled, it leaves the conversation where it is."""
    reply: Any = None
    error: ClientError | None = None
    try:
        while True:
            ask = flow.send(reply) if error is None else flow.throw(error)
            reply, error = None, None
            try:
                if isinstance(ask, Pause):
                    await asyncio.sleep(ask.for_s)
                else:
                    reply = await wire(ask)
            except ClientError as failed:
                error = failed
    except StopIteration as end:
        result: T = end.value
        return result
