"""The type of the weights in an ONNX file, against what the onnx package reads."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from servers.classifier.onnx_fp16 import fp16_model
from servers.classifier.onnx_weights import precision_of_weights


def save(path: Path, *weights: np.ndarray) -> Path:
    initializers = [numpy_helper.from_array(w, f"w{k}") for k, w in enumerate(weights)]
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    node = helper.make_node("Identity", ["x"], ["y"])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    onnx.save(helper.make_model(helper.make_graph([node], "g", [value], [out], initializers)), path)
    return path


@pytest.mark.parametrize(
    ("types", "precision"),
    [
        ((np.float32,), "fp32"),
        ((np.float16, np.float16), "fp16"),
        ((np.float16, np.int64), "fp16"),
        ((np.float16, np.float32), "mixed"),
    ],
)
def test_the_precision_is_the_type_of_all_floating_point_weights(
    tmp_path: Path, types: tuple[type, ...], precision: str
) -> None:
    path = save(tmp_path / "m.onnx", *(np.ones((300, 7), dtype=kind) for kind in types))
    assert precision_of_weights(path) == precision


def test_the_exported_model_has_fp32_weights(small_model_dir: Path) -> None:
    path = small_model_dir / "model.onnx"
    kinds = {tensor.data_type for tensor in onnx.load(path).graph.initializer}
    assert kinds == {TensorProto.FLOAT}
    assert precision_of_weights(path) == "fp32"


def test_the_converted_model_has_fp16_weights_behind_the_same_inputs_and_logits(
    small_model_dir: Path,
) -> None:
    path = fp16_model(small_model_dir)
    graph = onnx.load(path).graph
    assert precision_of_weights(path) == "fp16"
    assert {tensor.data_type for tensor in graph.initializer} == {TensorProto.FLOAT16}
    assert {value.type.tensor_type.elem_type for value in graph.input} == {TensorProto.INT64}
    assert [value.type.tensor_type.elem_type for value in graph.output] == [TensorProto.FLOAT]
    assert fp16_model(small_model_dir) == path  # made once


@pytest.mark.parametrize("content", [b"no model", b"\x3a\xff\xff\xff\x07", b"\x00"])
def test_what_is_no_onnx_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="expected an ONNX model"):
        precision_of_weights(path)
