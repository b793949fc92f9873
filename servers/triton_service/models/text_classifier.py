"""Triton model `text_classifier` without an ensemble: tokenizer and classifier in one process.

Like the model `classifier` it imports this package.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from servers.classifier import Encoded, Prediction, load_classifier, placement_from
from servers.text_rule import TextError, checked_text
from servers.triton_service.stub_tensors import output_tensor


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        parameters = {name: value["string_value"] for name, value in config["parameters"].items()}
        self.classifier = load_classifier(
            Path(parameters["model_dir"]),
            parameters["engine"],
            int(parameters["intra_op_threads"]),
            placement_from(json.loads(parameters["placement"])),
        )
        self.buckets = tuple(int(bucket) for bucket in parameters["length_buckets"].split(","))
        self.max_length_tokens = int(parameters["max_length_tokens"])
        for length in self.buckets:
            for n_texts in sorted({1, config["max_batch_size"]}):
                # Here and not as Triton's warm-up: that has no texts but from files.
                zeros = np.zeros((n_texts, length), dtype=np.int64)
                self.classifier.engine.infer(zeros, zeros)

    def execute(self, requests: list[Any]) -> list[Any]:
        """As the ensemble does it: one engine run for each padded length among the requests; a
        refused text fails its own request."""
        responses: list[Any] = [None] * len(requests)
        by_length: dict[int, list[tuple[int, Encoded]]] = {}
        for index, request in enumerate(requests):
            try:
                encoded = self._encoded(request)
                by_length.setdefault(encoded.input_ids.shape[1], []).append((index, encoded))
            except TextError as error:
                responses[index] = _refused(str(error))
        for members in by_length.values():
            logits = self.classifier.engine.infer(
                np.concatenate([encoded.input_ids for _, encoded in members]),
                np.concatenate([encoded.attention_mask for _, encoded in members]),
            )
            predictions = self.classifier.decode(logits)
            end = 0
            for index, encoded in members:
                start, end = end, end + len(encoded.lengths)
                responses[index] = _response(predictions[start:end])
        return responses

    def _encoded(self, request: Any) -> Encoded:
        given = pb_utils.get_input_tensor_by_name(request, "TEXT").as_numpy()
        texts = [_decoded(text) for text in given.reshape(-1)]
        return self.classifier.encode(texts, self.max_length_tokens, self.buckets)


def _decoded(raw: bytes) -> str:
    try:
        return checked_text(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise TextError("expected UTF-8 text, found other bytes.") from None


def _response(predictions: list[Prediction]) -> Any:
    labels = np.array([[p.label.encode()] for p in predictions], dtype=object)
    confidences = np.array([[p.confidence] for p in predictions], dtype=np.float32)
    return pb_utils.InferenceResponse(
        [pb_utils.Tensor("LABEL", labels), output_tensor("CONFIDENCE", confidences)]
    )


def _refused(message: str) -> Any:
    error = pb_utils.TritonError(f"TEXT: {message}", pb_utils.TritonError.INVALID_ARG)
    return pb_utils.InferenceResponse(error=error)
