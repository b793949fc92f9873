"""Triton model `classifier` of the embedded form: the study's engines inside the Python backend.

The one model that is not self-contained: the engine is that of every other contender, imported
from this package. The launcher puts the package's parent folder on the path of Triton's Python
processes.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from servers.classifier import Prediction, decode, load_engine, placement_from, read_labels
from servers.triton_service.stub_tensors import input_array, output_tensor
from servers.triton_service.token_limits import TokenLimits

Logits = np.ndarray[Any, np.dtype[np.float32]]


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        parameters = {
            name: value["string_value"]
            for name, value in json.loads(args["model_config"])["parameters"].items()
        }
        model_dir = Path(parameters["model_dir"])
        self.engine = load_engine(
            parameters["engine"],
            model_dir,
            int(parameters["intra_op_threads"]),
            placement_from(json.loads(parameters["placement"])),
        )
        self.labels = read_labels(model_dir)
        self.limits = TokenLimits.of_model(model_dir)

    def execute(self, requests: list[Any]) -> list[Any]:
        """One engine run for each padded length among the requests, over all that have it; a
        request that is not valid fails alone."""
        ids = [input_array(request, "input_ids") for request in requests]
        masks = [input_array(request, "attention_mask") for request in requests]
        batches, problems = self.limits.batches(ids, masks)
        responses: list[Any] = [None] * len(requests)
        for index, problem in problems.items():
            responses[index] = _refused(problem)
        for batch in batches:
            logits = self.engine.infer(batch.input_ids, batch.attention_mask)
            predictions = decode(logits, self.labels)
            end = 0
            for index in batch.indices:
                start, end = end, end + len(ids[index])
                responses[index] = _response(
                    requests[index], logits[start:end], predictions[start:end]
                )
        return responses


def _response(request: Any, logits: Logits, predictions: list[Prediction]) -> Any:
    """Only what was asked for: making and copying a tensor costs more than its numbers here."""
    wanted = request.requested_output_names()
    tensors = []
    if "logits" in wanted:
        tensors.append(output_tensor("logits", logits))
    if "LABEL" in wanted:
        labels = np.array([[p.label.encode()] for p in predictions], dtype=object)
        tensors.append(pb_utils.Tensor("LABEL", labels))
    if "CONFIDENCE" in wanted:
        confidences = np.array([[p.confidence] for p in predictions], dtype=np.float32)
        tensors.append(output_tensor("CONFIDENCE", confidences))
    return pb_utils.InferenceResponse(tensors)


def _refused(message: str) -> Any:
    error = pb_utils.TritonError(message, pb_utils.TritonError.INVALID_ARG)
    return pb_utils.InferenceResponse(error=error)
