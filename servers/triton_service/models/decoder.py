"""Triton model `decoder` of the native forms: logits -> LABEL, CONFIDENCE."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import triton_python_backend_utils as pb_utils

if TYPE_CHECKING:
    from servers.classifier.encoding import decode, read_labels
else:
    from encoding import decode, read_labels  # copied beside this file


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self.labels = read_labels(Path(args["model_repository"]) / args["model_version"])

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self._response(request) for request in requests]

    def _response(self, request: Any) -> Any:
        logits = pb_utils.get_input_tensor_by_name(request, "logits").as_numpy()
        predictions = decode(logits, self.labels)
        labels = np.array([[p.label.encode()] for p in predictions], dtype=object)
        confidences = np.array([[p.confidence] for p in predictions], dtype=np.float32)
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor("LABEL", labels), pb_utils.Tensor("CONFIDENCE", confidences)]
        )
