"""One Triton with several models: for callers that wait, and for asyncio."""

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Self

from servers.triton_service.client.address import address_of
from servers.triton_service.client.arrays import Array, Arrays
from servers.triton_service.client.calls import drive, drive_async
from servers.triton_service.client.chain import Step
from servers.triton_service.client.flows import Flows, Regions
from servers.triton_service.client.health import Health
from servers.triton_service.client.regions import Region, RegionKind, new_region
from servers.triton_service.client.spec import ModelSpec
from servers.triton_service.client.waiting import Deadline, Retry, Terms
from servers.triton_service.client.wires import async_wire_to, dialect_of, wire_to

DEADLINE_S = 10.0
CANARY_WITHIN_S = 2.0

Canaries = Collection[str] | Mapping[str, Arrays | None]
"""Names of models, or for each the inputs of its canary; None: one row of ones."""


class _Asker:
    """What both have: an address, a deadline, and what models are like."""

    def __init__(self, url: str, deadline_s: float = DEADLINE_S) -> None:
        self._address = address_of(url)
        self._deadline_s = deadline_s
        self._flows = Flows(dialect_of(self._address))

    def _terms(self, deadline_s: float | None = None, retry: Retry | None = None) -> Terms:
        within_s = self._deadline_s if deadline_s is None else deadline_s
        return Terms(Deadline.starting_now(within_s), retry)


class Router(_Asker):
    """Asks the Triton at url, grpc://HOST:PORT or http://HOST:PORT, and is closed at the end of a
    with statement. Threads may share it. All errors are ClientErrors.

    deadline_s is for a whole call. A call is made again only where it is given a Retry.

    The router of the guide that this one answers makes these mistakes:
    - It asks a result for get_output_names(), which does not exist. Here names, types and shapes
      come from the model's description, and answers are compared with it.
    - It takes tensors as they are given, so that Triton's own words, often about something else,
      are the first to say what is wrong with them ("batch-size must be <= 32" for a missing batch
      dimension). Here they are checked before anything is sent.
    - It is healthy when is_server_live() says so, which is true while models fail to load or their
      processes are dead. Here each model answers a canary.
    - It waits without end. Here every call has a deadline; and there is no server flag for it.
    - It calls methods for shared memory that clients do not have. Here a tensor names its region.
    """

    def __init__(self, url: str, deadline_s: float = DEADLINE_S) -> None:
        super().__init__(url, deadline_s)
        self._wire = wire_to(self._address)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._wire.close()

    def model(
        self,
        name: str,
        version: str = "",
        deadline_s: float | None = None,
        retry: Retry | None = None,
    ) -> ModelSpec:
        """What a model takes and gives, as the server says now."""
        flow = self._flows.model(name, version, self._terms(deadline_s, retry))
        return drive(flow, self._wire)

    def infer(
        self,
        model: str,
        inputs: Arrays,
        *,
        outputs: Sequence[str] = (),
        version: str = "",
        deadline_s: float | None = None,
        retry: Retry | None = None,
        regions: Regions | None = None,
    ) -> dict[str, Array]:
        """The outputs of the names, or all; tensors with a region are not sent."""
        terms = self._terms(deadline_s, retry)
        flow = self._flows.infer(model, inputs, terms, outputs, version, regions)
        return drive(flow, self._wire)

    def infer_chain(
        self,
        steps: Sequence[Step],
        given: Arrays,
        deadline_s: float | None = None,
        retry: Retry | None = None,
    ) -> dict[str, Array]:
        """All values that the steps make; the deadline is for all of them together."""
        flow = self._flows.chain(steps, given, self._terms(deadline_s, retry))
        return drive(flow, self._wire)

    def health(self, models: Canaries, within_s: float = CANARY_WITHIN_S) -> Health:
        """Whether the server and these models serve; within_s is for each question."""
        return drive(self._flows.health(_canaries(models), within_s), self._wire)

    @contextmanager
    def region(
        self, byte_size: int, kind: RegionKind = "system", device_id: int = 0
    ) -> Iterator[Region]:
        """Memory that this process and Triton share, where both are on one host."""
        region = new_region(byte_size, kind, device_id)
        try:
            drive(self._flows.register(region, self._terms()), self._wire)
            try:
                yield region
            finally:
                drive(self._flows.unregister(region, self._terms()), self._wire)
        finally:
            region.destroy()


class AsyncRouter(_Asker):
    """The same for asyncio: entered where an event loop runs, and used in that loop alone."""

    async def __aenter__(self) -> Self:
        self._wire = async_wire_to(self._address)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._wire.close()

    async def model(
        self,
        name: str,
        version: str = "",
        deadline_s: float | None = None,
        retry: Retry | None = None,
    ) -> ModelSpec:
        flow = self._flows.model(name, version, self._terms(deadline_s, retry))
        return await drive_async(flow, self._wire)

    async def infer(
        self,
        model: str,
        inputs: Arrays,
        *,
        outputs: Sequence[str] = (),
        version: str = "",
        deadline_s: float | None = None,
        retry: Retry | None = None,
        regions: Regions | None = None,
    ) -> dict[str, Array]:
        terms = self._terms(deadline_s, retry)
        flow = self._flows.infer(model, inputs, terms, outputs, version, regions)
        return await drive_async(flow, self._wire)

    async def infer_chain(
        self,
        steps: Sequence[Step],
        given: Arrays,
        deadline_s: float | None = None,
        retry: Retry | None = None,
    ) -> dict[str, Array]:
        flow = self._flows.chain(steps, given, self._terms(deadline_s, retry))
        return await drive_async(flow, self._wire)

    async def health(self, models: Canaries, within_s: float = CANARY_WITHIN_S) -> Health:
        return await drive_async(self._flows.health(_canaries(models), within_s), self._wire)

    @asynccontextmanager
    async def region(
        self, byte_size: int, kind: RegionKind = "system", device_id: int = 0
    ) -> AsyncIterator[Region]:
        region = new_region(byte_size, kind, device_id)
        try:
            await drive_async(self._flows.register(region, self._terms()), self._wire)
            try:
                yield region
            finally:
                removal = self._flows.unregister(region, self._terms())
                await drive_async(removal, self._wire)
        finally:
            region.destroy()


def _canaries(models: Canaries) -> Mapping[str, Arrays | None]:
    if isinstance(models, Mapping):
        return models
    return dict.fromkeys([models] if isinstance(models, str) else models)
