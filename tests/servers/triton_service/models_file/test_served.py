"""The embedded Triton loads the generated trio, and answers as its networks do."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput

from loadtests.launch.server import free_ports
from servers.grpc_channel import GRPC_CHANNEL_OPTIONS
from servers.surroundings import child_environment
from servers.triton_service.models_file.description import ModelEntry
from servers.triton_service.models_file.reading import read_models_file
from servers.triton_service.models_file.writing import write_models

pytestmark = pytest.mark.live

MODELS = {model.name: model for model in read_models_file(Path("trio-small")).models}
DTYPES = {"INT64": np.int64, "FP32": np.float32, "UINT8": np.uint8}
N_REQUESTS = 24
START_DEADLINE_S = 60.0


@dataclass(frozen=True)
class Served:
    repository: Path
    client: InferenceServerClient


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Served]:
    folder, port = tmp_path_factory.mktemp("trio"), free_ports(()).main
    write_models(read_models_file(Path("trio-small")), folder / "models", embedded=True)
    command = ["-m", "servers.triton_service.models_file", str(folder / "models"), "--port"]
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command, str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=root,
            env=child_environment(os.environ),
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, log)
        address = f"127.0.0.1:{port}"
        with InferenceServerClient(address, channel_args=GRPC_CHANNEL_OPTIONS) as client:
            yield Served(folder / "models", client)
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    end_s = time.monotonic() + START_DEADLINE_S
    while "triton ready:" not in log.read_text(errors="replace"):
        assert process.poll() is None, log.read_text(errors="replace")[-4000:]
        assert time.monotonic() < end_s, log.read_text(errors="replace")[-4000:]
        time.sleep(0.05)


def rows_of(model: ModelEntry, n: int) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    return {
        tensor.name: rng.integers(0, 2, size=(n, *tensor.dims)).astype(DTYPES[tensor.dtype])
        for tensor in model.inputs
    }


def asked(model: ModelEntry, rows: dict[str, Any]) -> list[InferInput]:
    inputs = []
    for tensor in model.inputs:
        inputs.append(InferInput(tensor.name, rows[tensor.name].shape, tensor.dtype))
        inputs[-1].set_data_from_numpy(rows[tensor.name])
    return inputs


@pytest.mark.parametrize("name", MODELS)
def test_requests_that_share_a_batch_get_their_own_answers(served: Served, name: str) -> None:
    model = MODELS[name]
    rows, output = rows_of(model, N_REQUESTS), model.outputs[0].name
    session = onnxruntime.InferenceSession(
        str(served.repository / name / "1/model.onnx"), providers=["CPUExecutionProvider"]
    )
    (expected,) = session.run([output], rows)

    def answer(k: int) -> Any:
        pair = {tensor: array[k : k + 2] for tensor, array in rows.items()}
        return served.client.infer(name, asked(model, pair), client_timeout=60).as_numpy(output)

    def a_burst_shared_batches() -> bool:
        before = executions(served.client, name)
        starts = range(0, N_REQUESTS, 2)
        with ThreadPoolExecutor(len(starts)) as callers:
            found = np.concatenate(list(callers.map(answer, starts)))
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
        return executions(served.client, name) - before < len(starts)

    # Whether requests wait together is chance where the machine is busy.
    assert any(a_burst_shared_batches() for _ in range(20))


def executions(client: InferenceServerClient, name: str) -> int:
    (found,) = client.get_inference_statistics(name).model_stats
    return int(found.execution_count)


def test_a_folder_that_is_not_there_is_one_sentence_and_code_2(root: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "servers.triton_service.models_file", str(tmp_path / "models")],
        capture_output=True,
        text=True,
        cwd=root,
        env=child_environment(os.environ),
    )
    assert done.returncode == 2
    assert done.stderr == f"expected a folder at {tmp_path}/models, found none: name another.\n"
