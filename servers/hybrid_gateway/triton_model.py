"""The classifier in Triton, as the gateway calls it."""

import asyncio
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferInput, InferRequestedOutput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from servers.classifier.encoding import Encoded
from servers.hybrid_gateway.calls import Call
from servers.hybrid_gateway.pulse import CANARY_WITHIN_S, Late, Pulse, Unavailable
from servers.hybrid_gateway.trace_context import Trace
from servers.triton_statistics import computed_ns

MODEL = "classifier"
LATE = "Triton did not answer within the deadline: try again later."
_OUTPUTS = [InferRequestedOutput("logits")]


class Refused(ValueError):
    """Triton does not accept the request."""


@dataclass(frozen=True)
class Executions:
    """Since Triton started, its warm-up included: texts inferred, forward passes run, and the time
    of its requests (see servers.contract.TimedCounters)."""

    inferences: int
    executions: int
    request_ns: int
    queue_ns: int
    network_ns: int


class TritonModel:
    """Calls Triton through one client. Callers cancel infer by asyncio's own means; Triton is told
    the deadline of a call, so that it can drop what nobody will read. canary is the smallest
    request there is."""

    def __init__(
        self,
        client: InferenceServerClient,
        canary: Encoded,
        deadline_s: float,
        max_batch_size: int,
    ) -> None:
        self._client = client
        self._canary = canary
        self._deadline_s = deadline_s
        self._max_batch_size = max_batch_size
        self.pulse = Pulse(self._ask_canary, silent_after_s=deadline_s)

    async def infer(self, encoded: Encoded, call: Call) -> NDArray[np.float32]:
        """logits float32[batch, labels]; in one request up to Triton's largest batch."""
        asked_s = time.monotonic()
        try:
            if len(encoded.lengths) <= self._max_batch_size:
                return await self._infer(encoded, slice(None), call.left_s, call.trace)
            return await self._infer_parts(encoded, call)
        except Late:
            raise  # whose deadline that was, and so whether Triton is to blame, the caller knows
        except Unavailable:
            self.pulse.doubt(asked_s)
            raise

    async def executions(self) -> Executions:
        if self.pulse.down is not None:
            raise Unavailable(self.pulse.down)
        try:
            answer = await self._client.get_inference_statistics(
                MODEL, client_timeout=self._deadline_s
            )
        except InferenceServerException as error:
            raise _translated(error) from error
        (statistics,) = answer.model_stats
        spent = statistics.inference_stats
        return Executions(
            inferences=statistics.inference_count,
            executions=statistics.execution_count,
            request_ns=spent.success.ns,
            queue_ns=spent.queue.ns,
            network_ns=computed_ns(statistics),
        )

    async def _infer_parts(self, encoded: Encoded, call: Call) -> NDArray[np.float32]:
        starts = range(0, len(encoded.lengths), self._max_batch_size)
        parts = [
            asyncio.create_task(
                self._infer(encoded, slice(at, at + self._max_batch_size), call.left_s, call.trace)
            )
            for at in starts
        ]
        try:
            return np.concatenate(await asyncio.gather(*parts))
        finally:
            for part in parts:
                part.cancel()  # where one has failed, nobody waits for the others

    async def _ask_canary(self) -> None:
        try:
            await self._infer(self._canary, slice(None), CANARY_WITHIN_S)
        except Refused as error:
            raise Unavailable(str(error)) from error

    async def _infer(
        self, encoded: Encoded, rows: slice, within_s: float, trace: Trace | None = None
    ) -> NDArray[np.float32]:
        inputs = [
            _int64_input("input_ids", encoded.input_ids[rows]),
            _int64_input("attention_mask", encoded.attention_mask[rows]),
        ]
        try:
            answer = await self._client.infer(
                MODEL,
                inputs,
                outputs=_OUTPUTS,
                client_timeout=within_s,
                request_id=trace.request_id if trace else "",
                headers=trace.metadata() if trace else None,
            )
        except InferenceServerException as error:
            raise _translated(error) from error
        self.pulse.answered()
        logits: NDArray[np.float32] = answer.as_numpy("logits")
        return logits


def _int64_input(name: str, rows: NDArray[np.int64]) -> InferInput:
    tensor = InferInput(name, list(rows.shape), "INT64")
    tensor.set_data_from_numpy(rows)
    return tensor


def _translated(error: InferenceServerException) -> Unavailable | Refused:
    if error.status() == "StatusCode.INVALID_ARGUMENT":
        return Refused(f"Triton refused the request: {error.message()}")
    if error.status() == "StatusCode.DEADLINE_EXCEEDED":
        return Late(LATE)
    return Unavailable(f"Triton is not available ({error.message()}): try again later.")
