"""A contender whose engine cannot be had says so in one sentence, and ends with code 2."""

import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import torch

START_DEADLINE_S = 60.0
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


@NO_CUDA
@pytest.mark.parametrize(
    ("contender", "engine", "found"),
    [
        ("fastapi", "torch", "found none that torch"),
        ("fastapi-tuned", "torch", "found none that torch"),
        ("fastapi-onnx", "onnxruntime", "found only .*CPUExecutionProvider"),
        ("litserve", "torch", "found none that torch"),
        ("triton", "torch", "found none that torch"),
        ("hybrid", "onnxruntime", "found only .*CPUExecutionProvider"),
    ],
)
def test_a_gpu_that_is_not_there_is_no_reason_to_run_on_the_cpu(
    start_contender: Callable[..., Any], contender: str, engine: str, found: str
) -> None:
    last = refusal(start_contender(contender, engine=engine, device="cuda"))

    assert last.startswith("expected ")
    assert re.search(found, last)
    assert last.endswith('or set device = "cpu".')


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
