"""Triton model `tokenizer`: TEXT -> input_ids, attention_mask, padded to a length bucket."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import triton_python_backend_utils as pb_utils

if TYPE_CHECKING:
    from servers.classifier.encoding import Encoder, padded_length
    from servers.text_rule import TextError, checked_text
else:
    from encoding import Encoder, padded_length  # copied beside this file, as is text_rule
    from text_rule import TextError, checked_text


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        parameters = {
            name: value["string_value"]
            for name, value in json.loads(args["model_config"])["parameters"].items()
        }
        self.encoder = Encoder(Path(args["model_repository"]) / args["model_version"])
        self.buckets = tuple(int(bucket) for bucket in parameters["length_buckets"].split(","))
        self.max_length_tokens = int(parameters["max_length_tokens"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Encodes the texts of all requests in one call; a refused text fails its own request."""
        responses: list[Any] = [None] * len(requests)
        texts: list[str] = []
        rows: dict[int, slice] = {}
        for index, request in enumerate(requests):
            try:
                own_texts = self._texts(request)
            except TextError as error:
                responses[index] = _refused(str(error))
                continue
            rows[index] = slice(len(texts), len(texts) + len(own_texts))
            texts += own_texts
        if texts:
            encoded = self.encoder.encode(texts, self.max_length_tokens, self.buckets)
            for index, own in rows.items():
                width = padded_length(int(encoded.lengths[own].max()), self.buckets)
                responses[index] = pb_utils.InferenceResponse(
                    [
                        _tensor("input_ids", encoded.input_ids[own, :width]),
                        _tensor("attention_mask", encoded.attention_mask[own, :width]),
                    ]
                )
        return responses

    def _texts(self, request: Any) -> list[str]:
        given = pb_utils.get_input_tensor_by_name(request, "TEXT").as_numpy()
        return [_decoded(text) for text in given.reshape(-1)]


def _decoded(raw: bytes) -> str:
    try:
        return checked_text(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise TextError("expected UTF-8 text, found other bytes.") from None


def _tensor(name: str, rows: np.ndarray[Any, np.dtype[np.int64]]) -> Any:
    return pb_utils.Tensor(name, np.ascontiguousarray(rows))


def _refused(message: str) -> Any:
    error = pb_utils.TritonError(f"TEXT: {message}", pb_utils.TritonError.INVALID_ARG)
    return pb_utils.InferenceResponse(error=error)
