"""What the gateway does with a request that was let in: tokenise, ask Triton, name the labels."""

import asyncio
import time
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from starlette.requests import Request
from tritonclient.grpc.aio import InferenceServerClient

from servers.classifier.encoding import Encoded, Encoder, Prediction, decode, read_labels
from servers.contract import LENGTH_BUCKETS, MAX_LENGTH_TOKENS, TimedCounters
from servers.http_service import Counters
from servers.hybrid_gateway.admission import Gone, arrival_of, in_time
from servers.hybrid_gateway.calls import TIMEOUT_HEADER, Call, asked_s
from servers.hybrid_gateway.equipment import Equipment
from servers.hybrid_gateway.facts import facts_of
from servers.hybrid_gateway.features import Features
from servers.hybrid_gateway.pulse import Late, Unavailable
from servers.hybrid_gateway.triton_model import TritonModel
from servers.metric_names import CANARY_FAILING, TRITON_DURATION

CANARY_TEXT = "canary"
T = TypeVar("T")


@dataclass(frozen=True)
class GatewaySettings:
    """grpc_url is Triton's HOST:PORT; deadline_s counts from when a request had come whole."""

    grpc_url: str
    model_dir: Path
    deadline_s: float
    max_batch_size: int
    max_in_progress: int = 0
    contender: str = "hybrid"
    features: Features = Features()


class Gateway:
    """One text or several to predictions; the network itself runs in Triton."""

    def __init__(
        self,
        settings: GatewaySettings,
        client: InferenceServerClient,
        counters: Counters,
        equipment: Equipment,
    ) -> None:
        self._encoder = Encoder(settings.model_dir)
        self._labels = read_labels(settings.model_dir)
        self._counters = counters
        self._deadline_s = settings.deadline_s
        self._breaker = equipment.breaker
        self._turn: AbstractAsyncContextManager[None] = equipment.turns or nullcontext()
        self._metrics = counters.metrics
        canary = self.encode([CANARY_TEXT], MAX_LENGTH_TOKENS)
        self.model = TritonModel(client, canary, settings.deadline_s, settings.max_batch_size)
        self.model.pulse.on_down = lambda is_down: self._metrics.add(
            CANARY_FAILING, 1 if is_down else -1
        )

    def encode(self, texts: list[str], max_length: int) -> Encoded:
        return self._encoder.encode(texts, max_length, LENGTH_BUCKETS)

    async def encode_and_predict(
        self, texts: list[str], max_length: int, call: Call
    ) -> list[Prediction]:
        # In a thread: many long texts take tens of milliseconds, and every caller would wait.
        return await self.predict(await asyncio.to_thread(self.encode, texts, max_length), call)

    def call_of(self, request: Request) -> Call:
        """Its deadline is the caller's where he has a shorter one than the gateway."""
        asked = asked_s(request.headers.get(TIMEOUT_HEADER))
        is_callers = asked is not None and asked < self._deadline_s
        return Call(
            arrival_of(request.scope),
            asked if asked is not None and is_callers else self._deadline_s,
            is_callers,
            facts_of(request.scope).trace,
        )

    async def in_time(self, work: Awaitable[T], call: Call) -> T:
        """What work returns, within the deadline of the call and while its caller waits. Pulse and
        breaker hear how it ended, unless it was the caller who did not wait."""
        try:
            answer = await in_time(work, call.arrival, call.within_s)
        except Gone:
            raise
        except Unavailable as error:
            if isinstance(error, Late) and call.is_callers:
                raise
            if isinstance(error, Late):
                self.model.pulse.doubt(call.arrival.received_s)
            if self._breaker:
                self._breaker.failed(time.monotonic())
            raise
        if self._breaker:
            self._breaker.answered()
        return answer

    async def predict(self, encoded: Encoded, call: Call) -> list[Prediction]:
        async with self._turn:
            asked_s = time.monotonic()
            try:
                logits = await self.model.infer(encoded, call)
            finally:
                self._metrics.observe(TRITON_DURATION, time.monotonic() - asked_s)
        self._counters.count_tokens(encoded.lengths, encoded.input_ids.shape[1])
        return decode(logits, self._labels)

    async def stats(self) -> TimedCounters:
        """Requests and tokens as the gateway counts them, batches and times as Triton does."""
        triton = await self.model.executions()
        return TimedCounters(**self._counters.snapshot().model_dump() | asdict(triton))
