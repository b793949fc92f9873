"""A small world without faults: a repository, a compose file, a script and a client, as texts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from servers.triton_service.doctor.findings import Finding
from servers.triton_service.doctor.reading.sources import read_sources
from servers.triton_service.doctor.rules import examine

CONFIG = """\
name: "bert"
backend: "onnxruntime"
max_batch_size: 32
input [
  { name: "input_ids" data_type: TYPE_INT64 dims: [ 128 ] },
  { name: "attention_mask" data_type: TYPE_INT64 dims: [ 128 ] }
]
output [ { name: "logits" data_type: TYPE_FP32 dims: [ 10 ] } ]
instance_group [ { count: 1 kind: KIND_CPU } ]
dynamic_batching { }
"""

COMPOSE = """\
services:
  triton:
    image: nvcr.io/nvidia/tritonserver:26.04-py3
    command:
      - tritonserver
      - --model-repository=/models
      - --exit-on-error=true
    ports: ["8000:8000", "8001:8001", "8002:8002"]
    volumes:
      - ./models:/models:ro
    shm_size: 1gb
    ulimits:
      memlock: -1
      stack: 67108864
"""

SCRIPT = "perf_analyzer -m bert -b 1 --concurrency-range 1:32:1\n"

CLIENT = """\
import numpy as np
import tritonclient.grpc as grpcclient


class Classifier:
    def __init__(self, url):
        self.client = grpcclient.InferenceServerClient(url)

    def ready(self):
        return self.client.is_server_ready()

    def logits(self):
        ids = np.zeros((1, 128), dtype=np.int64)
        mask = np.ones((1, 128), dtype=np.int64)
        inputs = [
            grpcclient.InferInput("input_ids", ids.shape, "INT64"),
            grpcclient.InferInput("attention_mask", list(mask.shape), "INT64"),
        ]
        inputs[0].set_data_from_numpy(ids)
        inputs[1].set_data_from_numpy(mask)
        result = self.client.infer("bert", inputs)
        return result.as_numpy("logits")
"""

MODEL = "models/bert"
NETWORK = f"{MODEL}/1/model.onnx"


def network(external: str = "") -> bytes:
    """An ONNX file with a BERT classifier's inputs and outputs; external names the file that its
    weights are in."""
    weights = helper.make_tensor("weights", TensorProto.FLOAT, [1], [1.0])
    if external:
        weights.ClearField("float_data")
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value=external)
    tensor = helper.make_tensor_value_info
    inputs = [
        tensor(name, TensorProto.INT64, ["batch", "length"])
        for name in ("input_ids", "attention_mask")
    ]
    outputs = [tensor("logits", TensorProto.FLOAT, ["batch", 10])]
    graph = helper.make_graph([], "bert", inputs, outputs, [weights])
    content: bytes = onnx.helper.make_model(graph).SerializeToString()
    return content


def healthy_files() -> dict[str, str | bytes]:
    return {
        f"{MODEL}/config.pbtxt": CONFIG,
        NETWORK: network(),
        "compose.yaml": COMPOSE,
        "bench.sh": SCRIPT,
        "client.py": CLIENT,
    }


@dataclass(frozen=True)
class World:
    """Files by their path, and the release that is meant."""

    files: Mapping[str, str | bytes] = field(default_factory=healthy_files)
    triton: str | None = None

    def replacing(self, file: str, old: str, new: str) -> "World":
        text = self.files[file]
        assert isinstance(text, str)
        assert old in text, (file, old)
        return self.adding(file, text.replace(old, new, 1))

    def adding(self, file: str, content: str | bytes) -> "World":
        return replace(self, files={**self.files, file: content})

    def without(self, *files: str) -> "World":
        left = {name: text for name, text in self.files.items() if name not in files}
        return replace(self, files=left)

    @staticmethod
    def network(external: str = "") -> bytes:
        return network(external)

    def meant_for(self, triton: str) -> "World":
        return replace(self, triton=triton)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which the test works, so that findings name relative paths."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write(here: Path) -> Callable[[World], None]:
    def write(world: World) -> None:
        for name, content in world.files.items():
            path = here / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                path.write_text(content, encoding="utf-8")
            else:
                path.write_bytes(content)

    return write


@pytest.fixture
def examined(here: Path) -> Callable[[World], list[Finding]]:
    """What the doctor finds in a world that was written."""

    def examined(world: World) -> list[Finding]:
        clients = [Path("client.py")] if "client.py" in world.files else []
        return examine(read_sources(["."], clients, world.triton))

    return examined


@pytest.fixture(scope="session")
def healthy() -> World:
    return World()
