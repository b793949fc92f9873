"""A set-up as guides describe it: every fault in it is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from servers.triton_service.doctor.reading.sources import read_sources
from servers.triton_service.doctor.rules import examine


def generated(name: str, tensors: dict[str, str], output: int, max_batch_size: int) -> str:
    """What a generator writes that gives every tensor one type and every model one batcher."""
    inputs = ",\n".join(
        f'  {{ name: "{tensor}" data_type: TYPE_FP32 dims: [ {dims} ] }}'
        for tensor, dims in tensors.items()
    )
    return (
        f'name: "{name}"\nplatform: "onnxruntime_onnx"\nmax_batch_size: {max_batch_size}\n'
        f"input [\n{inputs}\n]\n"
        f'output [ {{ name: "logits" data_type: TYPE_FP32 dims: [ {output} ] }} ]\n'
        "instance_group [ { count: 2 kind: KIND_GPU } ]\n"
        "dynamic_batching {\n"
        "  preferred_batch_size: [ 4, 8, 16, 32 ]\n"
        "  max_queue_delay_microseconds: 5000\n"
        "}\n"
    )


BERT = generated("bert_ner", {"input_ids": "-1", "attention_mask": "-1"}, 10, 64) + (
    "optimization { execution_accelerators {\n"
    '  gpu_execution_accelerator: [ { name: "tensorrt" } ]\n'
    "} }\n"
)
RUN = """\
docker run --gpus all --rm -p 8000:8000 -p 8001:8001 -p 8002:8002 \\
  -v $(pwd)/models:/models \\
  nvcr.io/nvidia/tritonserver:24.01-py3 \\
  tritonserver --model-repository=/models --response-timeout=30
perf_analyzer -m bert_ner -b 32 --concurrency-range 1:32:1
"""
ROUTER = """\
import numpy as np
import tritonclient.grpc as grpcclient


class Router:
    def __init__(self, url):
        self.client = grpcclient.InferenceServerClient(url)

    def health_check(self):
        return self.client.is_server_live()

    def infer(self):
        ids = np.random.randn(32, 128).astype(np.int64)
        handle = self.client.create_shared_memory_region("ids", "/ids", ids.nbytes)
        self.client.register_shared_memory("ids", "/ids", ids.nbytes)
        tensor = grpcclient.InferInput("input_ids", ids.shape, "INT64")
        tensor.set_data_from_numpy(ids, shared_memory=handle)
        result = self.client.infer("bert_ner", inputs=[tensor])
        self.client.unregister_shared_memory("ids")
        return {name: result.as_numpy(name) for name in result.get_output_names()}
"""


def test_every_fault_of_such_a_set_up_is_named(
    here: Path, healthy: Any, write: Callable[[Any], None]
) -> None:
    world = healthy.without(*healthy.files)
    write(
        world.adding("models/bert_ner/config.pbtxt", BERT)
        .adding("models/bert_ner/1/model.onnx", world.network("model.onnx.data"))
        .adding(
            "models/resnet50/config.pbtxt", generated("resnet", {"input": "3, 224, 224"}, 1000, 128)
        )
        .adding("models/resnet50/01/model.onnx", world.network())
        .adding("run.sh", RUN)
        .adding("router.py", ROUTER)
    )

    findings = examine(read_sources(["."], [Path("router.py")]))

    by_file: dict[str, set[str]] = {}
    for finding in findings:
        by_file.setdefault(finding.found.place.file, set()).add(finding.rule.id)
    assert by_file["models/bert_ner/config.pbtxt"] == {
        *("onnx-datatype", "variable-length", "preferred-sizes", "preferred-caps-batch"),
        *("queue-delay", "instances-and-memory", "trt-precision", "trt-engine-cache"),
        "trt-profiles",
    }
    assert by_file["models/bert_ner/1"] == {"external-data"}
    assert {"model-name", "preferred-sizes"} <= by_file["models/resnet50/config.pbtxt"]
    assert by_file["models/resnet50/01"] == {"version-folder"}
    assert by_file["run.sh"] == {
        *("image-old", "shm-size", "ulimits", "unknown-flag", "exit-on-error", "own-batches")
    }
    assert by_file["router.py"] == {
        *("client-method", "client-inputs", "client-datatype", "client-liveness", "client-ids")
    }
