"""Triton model `classifier` of the embedded form: ONNX Runtime inside the Python backend."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

if TYPE_CHECKING:
    from servers.classifier.encoding import Prediction, decode, read_labels
else:
    from encoding import Prediction, decode, read_labels  # copied beside this file

Logits = np.ndarray[Any, np.dtype[np.float32]]


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        parameters = json.loads(args["model_config"])["parameters"]
        folder = Path(args["model_repository"]) / args["model_version"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(parameters["intra_op_threads"]["string_value"])
        options.inter_op_num_threads = 1
        # Idle threads that spin would take the cores from the tokenizer and from Triton itself.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self.labels = read_labels(folder)

    def execute(self, requests: list[Any]) -> list[Any]:
        """One engine run for each padded length among the requests, over all that have it."""
        ids = [_array(request, "input_ids") for request in requests]
        masks = [_array(request, "attention_mask") for request in requests]
        by_length: dict[int, list[int]] = {}
        for index, own in enumerate(ids):
            by_length.setdefault(own.shape[1], []).append(index)
        responses: list[Any] = [None] * len(requests)
        for indices in by_length.values():
            batch = {
                "input_ids": np.concatenate([ids[index] for index in indices]),
                "attention_mask": np.concatenate([masks[index] for index in indices]),
            }
            (logits,) = self.session.run(["logits"], batch)
            predictions = decode(logits, self.labels)
            end = 0
            for index in indices:
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
        tensors.append(pb_utils.Tensor("logits", logits))
    if "LABEL" in wanted:
        labels = np.array([[p.label.encode()] for p in predictions], dtype=object)
        tensors.append(pb_utils.Tensor("LABEL", labels))
    if "CONFIDENCE" in wanted:
        confidences = np.array([[p.confidence] for p in predictions], dtype=np.float32)
        tensors.append(pb_utils.Tensor("CONFIDENCE", confidences))
    return pb_utils.InferenceResponse(tensors)


def _array(request: Any, name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    array: np.ndarray[Any, np.dtype[np.int64]]
    array = pb_utils.get_input_tensor_by_name(request, name).as_numpy()
    return array
