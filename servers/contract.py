"""The wire contract: what every contender accepts and answers, and the limits all of them share."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from servers.text_rule import MAX_TEXT_CHARS as MAX_TEXT_CHARS
from servers.text_rule import TextError, checked_text

MODEL_NAME = "text_classifier"
"""Name of the served model on the KServe v2 protocol."""

MAX_BATCH_TEXTS = 64
MAX_LENGTH_TOKENS = 128
MIN_LENGTH_TOKENS = 8

_MAX_JSON_BYTES_PER_CHAR = 12
"""Of a character beyond U+FFFF, written as two escapes of six bytes each."""
_JSON_AROUND_TEXTS_BYTES = 65_536
MAX_BODY_BYTES = (
    MAX_BATCH_TEXTS * MAX_TEXT_CHARS * _MAX_JSON_BYTES_PER_CHAR + _JSON_AROUND_TEXTS_BYTES
)
"""The largest request that the limits above allow, with room for blanks around its texts."""
MAX_HEAD_BYTES = 65_536
"""Of a request's line and headers that come after the first read of them."""
ARRIVES_WITHIN_S = 10.0
"""From the first byte of a request to its last. A connection on which nothing has begun stays
open: clients keep theirs between load levels."""

LENGTH_BUCKETS = (16, 32, 64, 128)
"""Padded lengths, in tokens. Batching servers pad to one of these: Triton only batches requests
of identical shape, and with free lengths its mean batch is 1."""


def bucket_length(n_tokens: int) -> int:
    """The padded length, in tokens, of a text of n_tokens: the smallest bucket that holds it."""
    return next((bucket for bucket in LENGTH_BUCKETS if n_tokens <= bucket), LENGTH_BUCKETS[-1])


def _checked(given: str) -> str:
    try:
        return checked_text(given)
    except TextError as error:
        # The models' own errors would be prefixed by "Value error, ".
        raise PydanticCustomError("text", "{reason}", {"reason": str(error)}) from None


Text = Annotated[
    str,
    AfterValidator(_checked),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_TEXT_CHARS}),
]
MaxLength = Annotated[int, Field(ge=MIN_LENGTH_TOKENS, le=MAX_LENGTH_TOKENS)]


class Wire(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PredictRequest(Wire):
    """One text to classify; longer than max_length tokens is truncated."""

    text: Text
    max_length: MaxLength = MAX_LENGTH_TOKENS


class PredictResponse(Wire):
    """latency_ms is measured inside the handler: it leaves out the queue in front of it."""

    label: str
    confidence: float
    latency_ms: float


class BatchPredictRequest(Wire):
    texts: Annotated[list[Text], Field(min_length=1, max_length=MAX_BATCH_TEXTS)]
    max_length: MaxLength = MAX_LENGTH_TOKENS


class BatchItem(Wire):
    label: str
    confidence: float


class BatchPredictResponse(Wire):
    predictions: list[BatchItem]
    latency_ms: float


class Problem(Wire):
    """Every answer that refuses a request: one sentence says why."""

    detail: str


class Health(Wire):
    """/health/live also names the contender, so that a load is not aimed at another one."""

    status: Literal["live", "ready", "not ready"]
    contender: str | None = None


class ServerCounters(Wire):
    """Totals since the server started; a measurement uses differences.

    Mean batch size is the difference of inferences over the difference of executions; padding
    efficiency is the difference of real_tokens over that of padded_tokens. None: not counted.
    """

    requests_ok: int
    requests_failed: int
    inferences: int | None = None
    executions: int | None = None
    real_tokens: int | None = None
    padded_tokens: int | None = None


class TimedCounters(ServerCounters):
    """The same beside where the time of the successes went, in Triton and summed over them: of a
    pass that several requests share, each has the whole. None: not said.

    request_ns lasts from when Triton had read a request until it had its answer. The queues are
    waits for a batch and for an instance; network_ns holds the copies in and out of the backend.
    """

    request_ns: int | None = None
    tokenise_queue_ns: int | None = None
    tokenise_ns: int | None = None
    queue_ns: int | None = None
    network_ns: int | None = None
