"""A models file of one model, and the network that it names."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

MODEL = """\
[[models]]
name = "bert"
backend = "onnxruntime"
max_batch_size = 8
inputs = [{ name = "ids", dtype = "INT64", dims = [4] }]
outputs = [{ name = "logits", dtype = "FP32", dims = [2] }]
versions = [{ number = 1, file = "bert.onnx" }]
"""


def network(external: str = "") -> bytes:
    """ids INT64 [batch, 4] -> logits FP32 [batch, 2]; external names the file of its weights."""
    weights = helper.make_tensor("weights", TensorProto.FLOAT, [1], [1.0])
    if external:
        weights.ClearField("float_data")
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value=external)
    tensor = helper.make_tensor_value_info
    inputs = [tensor("ids", TensorProto.INT64, ["batch", 4])]
    outputs = [tensor("logits", TensorProto.FLOAT, ["batch", 2])]
    content: bytes = onnx.helper.make_model(
        helper.make_graph([], "bert", inputs, outputs, [weights])
    ).SerializeToString()
    return content


@pytest.fixture
def models_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a models file and its network; of the text, old is replaced by new."""

    def write(old: str = "", new: str = "", external: str = "") -> Path:
        assert old in MODEL
        (tmp_path / "bert.onnx").write_bytes(network(external))
        path = tmp_path / "models.toml"
        path.write_text(MODEL.replace(old, new, 1) if old else MODEL + new, encoding="utf-8")
        return path

    return write
