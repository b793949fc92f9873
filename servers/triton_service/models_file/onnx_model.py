"""An ONNX network in the Python backend: what the embedded Triton has for its ONNX Runtime backend.

Like the classifier's model it imports this package, see servers/triton_service/models/classifier.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

from servers.triton_service.stub_tensors import input_array, output_tensor


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        threads = config["parameters"].get("intra_op_thread_count", {"string_value": "1"})
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(threads["string_value"])
        options.inter_op_num_threads = 1
        # Idle threads that spin would take the cores from the models beside this one.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        network = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        self.session = onnxruntime.InferenceSession(
            str(network), options, providers=["CPUExecutionProvider"]
        )
        self.batches = config["max_batch_size"] > 0
        self.inputs = [tensor["name"] for tensor in config["input"]]
        self.outputs = [tensor["name"] for tensor in config["output"]]

    def execute(self, requests: list[Any]) -> list[Any]:
        """One run over all requests, whose shapes the batcher has made alike."""
        given = [[input_array(request, name) for name in self.inputs] for request in requests]
        if not self.batches:
            return [self._response(self._run(arrays)) for arrays in given]
        joined = [np.concatenate(arrays) for arrays in zip(*given, strict=True)]
        answers, end, responses = self._run(joined), 0, []
        for arrays in given:
            start, end = end, end + len(arrays[0])
            responses.append(self._response([answer[start:end] for answer in answers]))
        return responses

    def _run(self, arrays: list[Any]) -> list[Any]:
        found: list[Any] = self.session.run(
            self.outputs, dict(zip(self.inputs, arrays, strict=True))
        )
        return found

    def _response(self, arrays: list[Any]) -> Any:
        return pb_utils.InferenceResponse(
            [output_tensor(name, array) for name, array in zip(self.outputs, arrays, strict=True)]
        )
