"""What LitServe runs in its inference worker: texts in, batches through the model, answers out."""

import multiprocessing
import signal
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import litserve as ls
import numpy as np

from servers.classifier import (
    Classifier,
    Encoded,
    EngineName,
    EngineUnavailableError,
    Placement,
    Prediction,
    load_classifier,
)
from servers.classifier.encoding import padded_length
from servers.confine import end_with_parent
from servers.contract import LENGTH_BUCKETS, MIN_LENGTH_TOKENS
from servers.http_service import Counters
from servers.launch_args import refuse_to_start
from servers.litserve_service.loop import BlockingBatchLoop
from servers.litserve_service.spec import ClassifierSpec, Query

WARM_UP_BATCHES = (1, 8, 32)


@dataclass(frozen=True)
class ModelSettings:
    model_dir: Path
    engine: EngineName
    threads: int
    placement: Placement


@dataclass(frozen=True)
class Batch:
    """One forward pass; positions are those of its rows among the requests taken together."""

    positions: tuple[int, ...]
    encoded: Encoded


class BatchingClassifier(ls.LitAPI):  # type: ignore[misc]  # LitServe ships no types
    """Pickled into the worker, which loads the model in setup; counters are shared memory."""

    _classifier: Classifier

    def __init__(
        self,
        settings: ModelSettings,
        counters: Counters,
        max_batch_size: int,
        batch_timeout_s: float,
    ) -> None:
        super().__init__(
            max_batch_size=max_batch_size,
            batch_timeout=batch_timeout_s,
            spec=ClassifierSpec(),
            loop=BlockingBatchLoop(),
        )
        self._settings = settings
        self._counters = counters

    def setup(self, device: str) -> None:
        end_with_main_process()
        settings = self._settings
        try:
            self._classifier = load_classifier(
                settings.model_dir, settings.engine, settings.threads, settings.placement
            )
        except EngineUnavailableError as error:
            refuse_to_start(error)
        for n_texts in WARM_UP_BATCHES:
            for length in LENGTH_BUCKETS:
                self._classifier.predict(["warm " * length] * n_texts, length, LENGTH_BUCKETS)

    def probe(self) -> None:
        """One forward pass of nobody's text; it is not counted."""
        self._classifier.predict(["probe"], MIN_LENGTH_TOKENS, LENGTH_BUCKETS)

    def decode_request(self, request: Query) -> Encoded:
        return self._classifier.encode([request.text], request.max_length)

    def batch(self, inputs: Sequence[Encoded]) -> list[Batch]:
        return batches_by_bucket(inputs, LENGTH_BUCKETS)

    def predict(self, x: list[Batch]) -> list[Prediction]:
        answers: dict[int, Prediction] = {}
        for batch in x:
            predictions = self._classifier.decode(self._classifier.infer(batch.encoded))
            self._counters.count_execution(batch.encoded.lengths, batch.encoded.input_ids.shape[1])
            answers.update(zip(batch.positions, predictions, strict=True))
        return [answers[position] for position in range(len(answers))]

    def unbatch(self, output: list[Prediction]) -> list[Prediction]:
        return output

    def encode_response(self, output: Prediction) -> Prediction:
        return output


def end_with_main_process() -> None:
    """Ends this process of LitServe when its main process is killed, even while it is stopped."""
    main = multiprocessing.parent_process()
    if main is not None and main.pid is not None:
        end_with_parent(main.pid, signal.SIGKILL)


def batches_by_bucket(rows: Sequence[Encoded], buckets: Sequence[int]) -> list[Batch]:
    """Single-text rows as one batch for each bucket that occurs.

    A short text padded to its longest neighbour costs as much as that neighbour; Triton does not
    batch across shapes either.
    """
    positions: dict[int, list[int]] = defaultdict(list)
    for position, row in enumerate(rows):
        positions[padded_length(row.input_ids.shape[1], buckets)].append(position)
    return [
        Batch(tuple(members), _stack([rows[member] for member in members], length))
        for length, members in positions.items()
    ]


def _stack(rows: Sequence[Encoded], length: int) -> Encoded:
    # Padding may hold any id: the attention mask hides it.
    input_ids = np.zeros((len(rows), length), dtype=np.int64)
    attention_mask = np.zeros_like(input_ids)
    for index, row in enumerate(rows):
        input_ids[index, : row.input_ids.shape[1]] = row.input_ids[0]
        attention_mask[index, : row.input_ids.shape[1]] = row.attention_mask[0]
    return Encoded(input_ids, attention_mask, np.concatenate([row.lengths for row in rows]))
