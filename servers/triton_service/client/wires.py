"""tritonclient's four clients, each as something that performs a call by its deadline.

gRPC takes the deadline itself. Over HTTP tritonclient has timeouts for single reads only, which a
server that trickles never reaches, so the whole call is given up from outside.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from tritonclient.utils import InferenceServerException

from servers.grpc_channel import RECONNECTING_GRPC_CHANNEL_OPTIONS
from servers.triton_service.client.address import Address
from servers.triton_service.client.calls import Call
from servers.triton_service.client.causes import gone, late, no_triton, translated


@dataclass(frozen=True)
class Dialect:
    """What differs between the two protocols before a call is made: the classes of tensors, and
    what makes descriptions JSON."""

    tensor: Callable[[str, list[int], str], Any]
    output: Callable[[str], Any]
    as_json: Mapping[str, Any] = field(default_factory=dict)


def dialect_of(address: Address) -> Dialect:
    if address.protocol == "grpc":
        import tritonclient.grpc

        return Dialect(
            tritonclient.grpc.InferInput, tritonclient.grpc.InferRequestedOutput, {"as_json": True}
        )
    import tritonclient.http  # not where only gRPC is spoken: it brings gevent

    return Dialect(tritonclient.http.InferInput, tritonclient.http.InferRequestedOutput)


class GrpcWire:
    """Threads may share it, as they may share tritonclient's."""

    def __init__(self, address: Address) -> None:
        from tritonclient.grpc import InferenceServerClient

        self._address = address
        self._client = InferenceServerClient(
            address.place, channel_args=RECONNECTING_GRPC_CHANNEL_OPTIONS
        )

    def __call__(self, call: Call) -> Any:
        method = getattr(self._client, call.method)
        try:
            return method(*call.args, **call.options, client_timeout=call.deadline.left_s())
        except InferenceServerException as error:
            raise translated(error, call, self._address) from error

    def close(self) -> None:
        self._client.close()


class AsyncGrpcWire:
    def __init__(self, address: Address) -> None:
        from tritonclient.grpc.aio import InferenceServerClient

        self._address = address
        self._client = InferenceServerClient(
            address.place, channel_args=RECONNECTING_GRPC_CHANNEL_OPTIONS
        )

    async def __call__(self, call: Call) -> Any:
        method = getattr(self._client, call.method)
        try:
            return await method(*call.args, **call.options, client_timeout=call.deadline.left_s())
        except InferenceServerException as error:
            raise translated(error, call, self._address) from error

    async def close(self) -> None:
        await self._client.close()


class HttpWire:
    """One of tritonclient's clients for each thread: its HTTP client is not for several."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._own = threading.local()

    def __call__(self, call: Call) -> Any:
        import gevent

        method = getattr(self._client(), call.method)
        timer = gevent.Timeout(call.deadline.left_s())
        try:
            with timer:
                return method(*call.args, **call.options)
        except gevent.Timeout as timeout:
            self.close()  # what is still to come over its connection answers nobody
            if timeout is not timer:
                raise
            raise late(call) from None
        except InferenceServerException as error:
            raise translated(error, call, self._address) from error
        except (OSError, HTTPException) as error:
            raise gone(error, self._address) from error
        except ValueError as error:
            raise no_triton("no JSON", self._address) from error

    def close(self) -> None:
        """That of this thread; those of others are closed when their threads have ended."""
        client = getattr(self._own, "client", None)
        if client is not None:
            del self._own.client
            client.close()

    def _client(self) -> Any:
        from tritonclient.http import InferenceServerClient

        if not hasattr(self._own, "client"):
            self._own.client = InferenceServerClient(
                self._address.place, connection_timeout=None, network_timeout=None
            )
        return self._own.client


class AsyncHttpWire:
    def __init__(self, address: Address) -> None:
        from tritonclient.http.aio import InferenceServerClient

        self._address = address
        self._client = InferenceServerClient(address.place, conn_timeout=None)

    async def __call__(self, call: Call) -> Any:
        from aiohttp import ClientError

        method = getattr(self._client, call.method)
        try:
            async with asyncio.timeout(call.deadline.left_s()):
                return await method(*call.args, **call.options)
        except TimeoutError:
            raise late(call) from None
        except InferenceServerException as error:
            raise translated(error, call, self._address) from error
        except (OSError, ClientError) as error:
            raise gone(error, self._address) from error
        except ValueError as error:
            raise no_triton("no JSON", self._address) from error

    async def close(self) -> None:
        await self._client.close()


def wire_to(address: Address) -> GrpcWire | HttpWire:
    return GrpcWire(address) if address.protocol == "grpc" else HttpWire(address)


def async_wire_to(address: Address) -> AsyncGrpcWire | AsyncHttpWire:
    """To be called where an event loop runs: both clients belong to it."""
    return AsyncGrpcWire(address) if address.protocol == "grpc" else AsyncHttpWire(address)
