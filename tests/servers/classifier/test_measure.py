"""The facts about one engine, and the command that writes them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForSequenceClassification

from servers.classifier.__main__ import main
from servers.classifier.curve import batch_latency_curve
from servers.classifier.flops import flops_per_request
from servers.classifier.matrix_rate import matmul_flops_per_s
from servers.engines import EngineName


class Clockwork:
    """An engine whose every call takes as long as its batch is large, on a clock of its own."""

    name: EngineName = "torch"
    precision, device = "fp32", "cpu"

    def __init__(self) -> None:
        self.now_s = 0.0
        self.shapes: list[tuple[int, ...]] = []

    def infer(
        self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        first = input_ids.shape not in self.shapes
        self.shapes.append(input_ids.shape)
        self.now_s += 9.0 if first else 0.001 * len(input_ids)
        assert attention_mask.all()
        return np.zeros((len(input_ids), 2), dtype=np.float32)


def test_the_curve_holds_what_a_call_takes_without_the_warm_up() -> None:
    engine = Clockwork()
    points = batch_latency_curve(engine, 100, (16, 32), (1, 4), 10, 1.0, lambda: engine.now_s)
    assert [(p.length_tokens, p.batch) for p in points] == [(16, 1), (16, 4), (32, 1), (32, 4)]
    assert [p.latency_p50_ms for p in points] == pytest.approx([1, 4, 1, 4])
    assert [p.rate_rps for p in points] == pytest.approx([1000] * 4)
    assert {p.latency_p99_ms for p in points} == {None}


def test_a_99th_percentile_needs_a_hundred_calls() -> None:
    engine = Clockwork()
    (point,) = batch_latency_curve(engine, 100, (16,), (2,), 100, 1.0, lambda: engine.now_s)
    assert point.latency_p99_ms == pytest.approx(2)


def test_a_point_ends_when_its_time_is_up_but_not_before_three_calls() -> None:
    engine = Clockwork()
    points = batch_latency_curve(engine, 100, (16,), (1, 64), 1000, 0.1, lambda: engine.now_s)
    assert [p.repeats for p in points] == [101, 3]


def test_the_count_of_operations_is_what_pytorch_counts_in_the_encoder(
    small_model_dir: Path,
) -> None:
    network = AutoModelForSequenceClassification.from_pretrained(
        small_model_dir, attn_implementation="eager"
    )
    ids = torch.ones((1, 64), dtype=torch.int64)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network.bert.encoder(network.bert.embeddings(ids))
    assert flops_per_request(small_model_dir, 64) == counter.get_total_flops()


def test_the_base_model_takes_22_billion_operations_at_128_tokens(tmp_path: Path) -> None:
    sizes = {"num_hidden_layers": 12, "hidden_size": 768, "intermediate_size": 3072}
    (tmp_path / "config.json").write_text(json.dumps(sizes))
    assert flops_per_request(tmp_path, 128) == pytest.approx(22.35e9, rel=1e-3)


def test_an_architecture_of_other_sizes_is_not_counted(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"n_layers": 6, "dim": 768}')
    assert flops_per_request(tmp_path, 128) is None


def test_the_matrix_rate_is_measured_where_there_is_the_device() -> None:
    rate = matmul_flops_per_s("cpu", "fp32")
    assert rate is not None
    assert rate > 1e6


@pytest.mark.skipif(torch.cuda.is_available(), reason="this is about hosts without a GPU")
def test_there_is_no_matrix_rate_without_the_device() -> None:
    assert matmul_flops_per_s("cuda", "fp16") is None


def arguments(model_dir: Path, folder: Path, *more: str) -> list[str]:
    texts = folder / "texts.txt"
    texts.write_text("where is my parcel?\n我要开发票\n", encoding="utf-8")
    common = ["measure", "--model-dir", str(model_dir), "--texts", str(texts), "--threads", "1"]
    sizes = ["--lengths", "16", "--batches", "1", "2", "--repeats", "2"]
    return [*common, *sizes, "--out", str(folder / "facts.json"), *more]


def test_the_command_writes_the_facts_of_an_engine(small_model_dir: Path, tmp_path: Path) -> None:
    main(arguments(small_model_dir, tmp_path, "--engine", "onnxruntime", "--precision", "fp16"))
    facts = json.loads((tmp_path / "facts.json").read_text())
    assert facts["available"]
    assert facts["placement"]["precision"] == facts["precision_check"]["precision_found"] == "fp16"
    assert [(p["batch"], p["length_tokens"]) for p in facts["curve"]] == [(1, 16), (2, 16)]
    assert set(facts["flops_per_request"]) == {"16"}
    assert facts["matmul_flops_per_s"] > 0
    assert facts["device_name"]
    assert facts["version"].startswith("onnxruntime ")


def test_the_version_of_a_compiled_engine_names_its_compiler(
    small_model_dir: Path, tmp_path: Path
) -> None:
    main(arguments(small_model_dir, tmp_path, "--engine", "torch-compiled"))
    version = json.loads((tmp_path / "facts.json").read_text())["version"]
    assert re.fullmatch(r"torch-compiled \S+ \((AOTInductor|trace and freeze)\)", version)


def test_the_held_out_messages_are_the_texts_where_none_are_given(
    small_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from servers.classifier import measure

    heard: list[int] = []

    def reference_logits(*given: object) -> NDArray[np.float32]:
        heard.append(len(given[2]))  # type: ignore[arg-type]  # the texts
        raise KeyboardInterrupt

    monkeypatch.setattr(measure, "reference_logits", reference_logits)
    given = arguments(small_model_dir, tmp_path, "--engine", "onnxruntime")
    without_texts = [*given[:3], *given[5:]]
    with pytest.raises(KeyboardInterrupt):
        main(without_texts)
    assert heard == [1000]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this is about hosts without a GPU")
@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_an_engine_that_is_not_to_be_had_is_a_fact_with_its_reason(
    small_model_dir: Path, tmp_path: Path, engine: str
) -> None:
    main(arguments(small_model_dir, tmp_path, "--engine", engine, "--device", "cuda"))
    facts = json.loads((tmp_path / "facts.json").read_text())
    assert not facts["available"]
    assert facts["reason"].startswith("expected ")
    assert (facts["precision_check"], facts["curve"]) == (None, [])


@pytest.mark.parametrize("wrong", [["--lengths", "16", "129"], ["--batches", "0"]])
def test_sizes_beyond_the_contract_are_refused(
    small_model_dir: Path, tmp_path: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments(small_model_dir, tmp_path, "--engine", "torch", *wrong))
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("expected lengths of 1 to 128 tokens")
    assert not (tmp_path / "facts.json").exists()
