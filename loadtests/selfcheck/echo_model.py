"""A Triton model that answers its input X as its output Y, after a pause or work.

A pause is a simulated pass of a device: the CPU is free meanwhile. Work keeps a core busy.
See tiny_models.py and question_models.py.
"""

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
        self.row_pause_s = float(given.get("row_pause_s", 0))
        self.work_s = float(given.get("work_s", 0))
        self.work_if = given.get("work_if", "always")

    def execute(self, requests: list[Any]) -> list[Any]:
        """One pause for the whole batch; work for each request, or for those that begin with 1."""
        given = [input_array(request, "X") for request in requests]
        time.sleep(self.pause_s + self.row_pause_s * sum(len(each) for each in given))
        for each in given:
            if self.work_s and (self.work_if == "always" or each.flat[0] == 1):
                work(self.work_s)
        return [pb_utils.InferenceResponse([output_tensor("Y", each + self.add)]) for each in given]


def work(cpu_s: float) -> None:
    """Keeps one core busy until this process has used that much CPU time more."""
    end_s = time.process_time() + cpu_s
    while time.process_time() < end_s:
        pass
