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


def refusal(started: Any) -> str:
    """The last line of a contender that must end by itself, with code 2."""
    try:
        code = started.process.wait(START_DEADLINE_S)
    except subprocess.TimeoutExpired:
        pytest.fail(started.log.read_text()[-4000:])
    log = started.log.read_text(errors="replace")
    assert code == 2, log[-4000:]
    assert "Traceback" not in log
    return str(log.splitlines()[-1])


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
        ("fastapi-onnx", ONLY_A_CPU),
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
@pytest.mark.parametrize("contender", ["litserve", "triton", "hybrid"])
def test_a_gpu_that_is_not_there_is_no_reason_to_run_on_the_cpu(
    start_contender: Callable[..., Any], contender: str
) -> None:
    last = refusal(start_contender(contender, engine="onnxruntime", device="cuda"))

    assert_names_the_gpu_and_the_remedy(last, ONLY_A_CPU)


@pytest.mark.parametrize("contender", ["fastapi-tuned", "litserve", "triton", "hybrid"])
def test_an_option_that_no_engine_has_is_named(
    start_contender: Callable[..., Any], contender: str
) -> None:
    last = refusal(start_contender(contender, precision="fp8"))

    assert last.startswith('expected precision = "fp32" or "fp16", found "fp8"')


def test_triton_refuses_texts_where_its_numpy_cannot_take_them_and_names_the_way_round(
    start_contender: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    metadata = tmp_path / "numpy-2.4.6.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 2.4.6\n")
    monkeypatch.setenv("STUDY_TRITON_SITE", str(tmp_path))
    started = start_contender("triton")

    assert refusal(started) == (
        "expected numpy below 2 for the tokenizer inside Triton 2.51, found 2.4.6: install numpy "
        "1.26 into a folder and name it in STUDY_TRITON_SITE, or choose hybrid, whose tokenizer "
        "runs outside Triton."
    )
    assert len(started.log.read_text().splitlines()) == 1
