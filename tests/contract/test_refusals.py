"""A contender whose engine is unavailable says so in one sentence, and ends with code 2."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from servers.classifier import EngineUnavailableError
from servers.discovery import discover
from servers.fastapi_service.__main__ import build_app
from servers.http_service import Counters
from servers.launch_args import LaunchArgs

START_DEADLINE_S = 60.0
ONLY_A_CPU = "found only .*CPUExecutionProvider"
NO_CUDA = pytest.mark.skipif(torch.cuda.is_available(), reason="needs a host without a GPU")


def assert_names_the_gpu_and_the_remedy(sentence: str, found: str) -> None:
    assert sentence.startswith("expected ")
    assert re.search(found, sentence)
    assert sentence.endswith('or set device = "cpu".')


@NO_CUDA
@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("fastapi", "found none that torch"),
        ("fastapi-tuned", "found none that torch"),
        ("fastapi-compiled", "for the engine torch-compiled, found cuda, fp32"),
        ("fastapi-onnx", ONLY_A_CPU),
        ("fastapi-batched", ONLY_A_CPU),
    ],
)
def test_an_app_for_a_gpu_that_is_not_there_is_not_built_for_the_cpu(
    name: str, found: str, model_dir: Path, tmp_path: Path
) -> None:
    contender = discover()[name]
    options = {**contender.options, "device": "cuda"}
    args = LaunchArgs(name, contender.engine, "127.0.0.1", 1, {}, model_dir, tmp_path, 1, options)

    with pytest.raises(EngineUnavailableError) as refused:
        build_app(args, Counters())

    assert_names_the_gpu_and_the_remedy(str(refused.value), found)


@NO_CUDA
@pytest.mark.live
@pytest.mark.parametrize("contender", ["litserve-patched", "hybrid"])
def test_a_gpu_that_is_not_there_is_no_reason_to_run_on_the_cpu(
    start_contender: Callable[..., Any], contender: str
) -> None:
    """A process below finds it out here: a worker, a stub of the Triton that `triton` has, too."""
    started = start_contender(contender, engine="onnxruntime", device="cuda")
    try:
        code = started.process.wait(START_DEADLINE_S)
    except subprocess.TimeoutExpired:
        pytest.fail(started.log.read_text()[-4000:])
    log = started.log.read_text(errors="replace")
    assert code == 2, log[-4000:]
    assert "Traceback" not in log
    assert_names_the_gpu_and_the_remedy(log.splitlines()[-1], ONLY_A_CPU)


@pytest.mark.parametrize("contender", ["fastapi-tuned", "litserve", "triton", "hybrid"])
def test_an_option_that_no_engine_has_is_named(
    refusal: Callable[..., tuple[int, str]], contender: str
) -> None:
    code, said = refusal(contender, precision="fp8")

    assert code == 2
    assert said.startswith('expected precision = "fp32" or "fp16", found "fp8"')


def test_triton_refuses_texts_where_its_numpy_cannot_take_them_and_names_the_way_round(
    refusal: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    metadata = tmp_path / "numpy-2.4.6.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 2.4.6\n")
    monkeypatch.setenv("STUDY_TRITON_SITE", str(tmp_path))

    assert refusal("triton") == (
        2,
        "expected numpy below 2 for the tokenizer inside Triton 2.51, found 2.4.6: install numpy "
        "1.26 into a folder and name it in STUDY_TRITON_SITE, or choose hybrid, whose tokenizer "
        "runs outside Triton.",
    )
