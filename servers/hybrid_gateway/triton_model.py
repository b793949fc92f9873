"""The classifier in Triton, as the gateway calls it."""

import asyncio
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferInput, InferRequestedOutput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from servers.classifier.encoding import Encoded

MODEL = "classifier"
_OUTPUTS = [InferRequestedOutput("logits")]


class Unavailable(RuntimeError):
    """Triton did not answer in time, or not at all."""


class Refused(ValueError):
    """Triton does not accept the request."""


@dataclass(frozen=True)
class Executions:
    """Texts inferred and forward passes run since Triton started, its warm-up included."""

    inferences: int
    executions: int


class TritonModel:
    """Calls Triton through one client; deadline_s bounds each call."""

    def __init__(
        self, client: InferenceServerClient, deadline_s: float, max_batch_size: int
    ) -> None:
        self._client = client
        self._deadline_s = deadline_s
        self._max_batch_size = max_batch_size

    async def infer(self, encoded: Encoded) -> NDArray[np.float32]:
        """logits float32[batch, labels]; in one request up to Triton's largest batch."""
        starts = range(0, len(encoded.lengths), self._max_batch_size)
        parts = await asyncio.gather(
            *(self._infer(encoded, slice(at, at + self._max_batch_size)) for at in starts)
        )
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    async def is_ready(self) -> bool:
        try:
            return bool(await self._client.is_model_ready(MODEL, client_timeout=self._deadline_s))
        except InferenceServerException:
            return False

    async def executions(self) -> Executions:
        try:
            answer = await self._client.get_inference_statistics(
                MODEL, client_timeout=self._deadline_s
            )
        except InferenceServerException as error:
            raise _translated(error) from error
        (statistics,) = answer.model_stats
        return Executions(statistics.inference_count, statistics.execution_count)

    async def _infer(self, encoded: Encoded, rows: slice) -> NDArray[np.float32]:
        inputs = [
            _int64_input("input_ids", encoded.input_ids[rows]),
            _int64_input("attention_mask", encoded.attention_mask[rows]),
        ]
        try:
            answer = await self._client.infer(
                MODEL, inputs, outputs=_OUTPUTS, client_timeout=self._deadline_s
            )
        except InferenceServerException as error:
            raise _translated(error) from error
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
        return Unavailable("Triton did not answer within the deadline: try again later.")
    return Unavailable(f"Triton is not available ({error.message()}): try again later.")
