"""A Triton model that answers its input X as its output Y, after a pause; see tiny_models.py."""

import json
import time
from typing import Any

import triton_python_backend_utils as pb_utils

from servers.triton_service.stub_tensors import input_array, output_tensor


class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config: Any) -> Any:
        """Describes the model where it has no config.pbtxt."""
        if not config.as_dict()["input"]:
            config.set_max_batch_size(8)
            config.add_input({"name": "X", "data_type": "TYPE_INT64", "dims": [4]})
            config.add_output({"name": "Y", "data_type": "TYPE_INT64", "dims": [4]})
        return config

    def initialize(self, args: dict[str, str]) -> None:
        parameters = json.loads(args["model_config"]).get("parameters", {})
        given = {name: entry["string_value"] for name, entry in parameters.items()}
        self.pause_s, self.add = float(given.get("pause_s", 0)), int(given.get("add", 0))

    def execute(self, requests: list[Any]) -> list[Any]:
        """One pause for all requests of the batch."""
        time.sleep(self.pause_s)
        return [
            pb_utils.InferenceResponse([output_tensor("Y", input_array(request, "X") + self.add)])
            for request in requests
        ]
