"""Triton models `vision` and `recommender`: a seeded network in the Python backend.

Like the classifier's model it imports this package, see servers/triton_service/models/classifier.
"""

import json
from typing import Any

import torch
import triton_python_backend_utils as pb_utils

from servers.placement import EngineUnavailableError
from servers.triton_service.colocated.networks import seeded_network
from servers.triton_service.stub_tensors import input_array, output_tensor

TYPES = {"fp32": torch.float32, "fp16": torch.float16}
PRECISIONS = {found: name for name, found in TYPES.items()}


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        given = {name: entry["string_value"] for name, entry in config["parameters"].items()}
        if given["device"] == "cuda" and not torch.cuda.is_available():
            raise EngineUnavailableError(
                f"expected a CUDA device for the model {config['name']}, found none that torch "
                f'{torch.__version__} can use: set device = "cpu".'
            )
        torch.set_num_threads(int(given["threads"]))
        self.device = torch.device(given["device"])
        self.inputs = [tensor["name"] for tensor in config["input"]]
        self.output = config["output"][0]["name"]
        network = seeded_network(config["name"], json.loads(given["size"]), int(given["seed"]))
        self.network = network.to(self.device, TYPES[given["precision"]])
        if self.device.type == "cuda":
            # The layout that tensor cores work in; others are converted around each convolution.
            self.network = self.network.to(memory_format=torch.channels_last)
        _say_what_was_loaded(config["name"], self.network)

    def execute(self, requests: list[Any]) -> list[Any]:
        """One run of the network over all requests."""
        given = [
            [torch.from_numpy(input_array(request, name)) for name in self.inputs]
            for request in requests
        ]
        batch = [torch.cat(rows).to(self.device) for rows in zip(*given, strict=True)]
        with torch.inference_mode():
            answers = self.network(*batch).float().cpu()
        own = answers.split([len(tensors[0]) for tensors in given])
        return [
            pb_utils.InferenceResponse([output_tensor(self.output, rows.numpy())]) for rows in own
        ]


def _say_what_was_loaded(name: str, network: torch.nn.Module) -> None:
    """A line for whoever reads the log: precision and device as they are, not as asked for."""
    weights = list(network.parameters())
    found = {
        "model": name,
        "weights": sum(weight.numel() for weight in weights),
        "precision": "+".join(sorted({PRECISIONS[weight.dtype] for weight in weights})),
        "device": "+".join(sorted({weight.device.type for weight in weights})),
    }
    print("colocated_model", json.dumps(found), flush=True)
