"""The generated networks: the tensors that are declared, and answers that follow from the seed."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from servers.triton_service.colocated.networks import seeded_network
from servers.triton_service.colocated.sizes import network_of
from servers.triton_service.models_file.description import ModelEntry
from servers.triton_service.models_file.networks import write_network
from servers.triton_service.models_file.reading import read_models_file

MODELS = {model.name: model for model in read_models_file(Path("trio-small")).models}


def inputs_of(model: ModelEntry, n: int) -> dict[str, Any]:
    rng = np.random.default_rng(7)
    dtypes = {"INT64": np.int64, "FP32": np.float32, "UINT8": np.uint8}
    return {
        tensor.name: rng.integers(0, 2, size=(n, *tensor.dims)).astype(dtypes[tensor.dtype])
        for tensor in model.inputs
    }


def answers(model: ModelEntry, folder: Path, n: int = 3, **changes: Any) -> Any:
    generator = model.versions[0].generator
    assert generator is not None
    write_network(generator.model_copy(update=changes), folder / "model.onnx")
    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run([model.outputs[0].name], inputs_of(model, n))
    return found


@pytest.mark.parametrize("name", MODELS)
def test_the_seed_alone_decides_the_answers(tmp_path: Path, name: str) -> None:
    model = MODELS[name]
    found = answers(model, tmp_path)
    assert found.shape == (3, *model.outputs[0].dims)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(answers(model, tmp_path), found)
    assert not np.allclose(answers(model, tmp_path, seed=3), found)


@pytest.mark.parametrize("name", ["vision", "recommender"])
def test_the_onnx_file_answers_as_the_network_in_pytorch(tmp_path: Path, name: str) -> None:
    model = MODELS[name]
    size, seed = network_of(model)
    given = [torch.from_numpy(array) for array in inputs_of(model, 3).values()]
    with torch.inference_mode():
        expected = seeded_network(name, size, seed)(*given).numpy()
    np.testing.assert_allclose(answers(model, tmp_path), expected, rtol=1e-3, atol=1e-4)
