from pathlib import Path

import numpy as np
import pytest

from servers.classifier import (
    Classifier,
    EngineName,
    EngineUnavailableError,
    Placement,
    load_classifier,
    load_engine,
    placement_from,
)
from servers.classifier.corpus import Corpus, build_corpus
from servers.classifier.model_specs import TrainingSpec
from servers.engines import REAL_ENGINES

TEXTS = ["hi", "where is my order #1234? it should be here", "我要投诉，电饭煲坏了" * 12]


@pytest.fixture(scope="module")
def torch_classifier(small_model_dir: Path) -> Classifier:
    return load_classifier(small_model_dir, "torch", threads=1)


@pytest.fixture(scope="module")
def onnxruntime_classifier(small_model_dir: Path) -> Classifier:
    return load_classifier(small_model_dir, "onnxruntime", threads=1)


@pytest.fixture(scope="module")
def corpus(study_seed: int) -> Corpus:
    training = TrainingSpec()
    return build_corpus(study_seed, training.n_training, training.n_heldout)


@pytest.mark.parametrize("texts", [TEXTS[:1], TEXTS[1:2], TEXTS[2:], TEXTS, TEXTS * 7])
@pytest.mark.parametrize("buckets", [None, (16, 32, 64, 128)])
def test_both_engines_give_the_same_logits(
    torch_classifier: Classifier,
    onnxruntime_classifier: Classifier,
    texts: list[str],
    buckets: tuple[int, ...] | None,
) -> None:
    encoded = torch_classifier.encode(texts, buckets=buckets)
    expected = torch_classifier.infer(encoded)
    found = onnxruntime_classifier.infer(encoded)
    assert found.shape == (len(texts), 10)
    assert found.dtype == expected.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_padding_does_not_change_an_answer(onnxruntime_classifier: Classifier) -> None:
    alone = [onnxruntime_classifier.predict([text])[0] for text in TEXTS]
    padded = onnxruntime_classifier.predict(TEXTS, buckets=(128,))
    for one, other in zip(alone, padded, strict=True):
        assert one.label == other.label
        assert one.confidence == pytest.approx(other.confidence, abs=1e-5)


def test_heldout_messages_get_their_label(
    onnxruntime_classifier: Classifier, corpus: Corpus
) -> None:
    hits = [
        onnxruntime_classifier.predict([message.text])[0].label == message.label
        for message in corpus.heldout
    ]
    assert sum(hits) / len(hits) >= 0.95


def test_both_languages_are_understood(onnxruntime_classifier: Classifier) -> None:
    labels = [
        p.label for p in onnxruntime_classifier.predict(["where is my parcel?", "我要开发票"])
    ]
    assert labels == ["delivery_status", "invoice"]


@pytest.mark.parametrize("name", REAL_ENGINES)
def test_an_engine_says_what_it_runs(name: EngineName, small_model_dir: Path) -> None:
    engine = load_engine(name, small_model_dir, threads=1)
    assert (engine.name, engine.precision, engine.device) == (name, "fp32", "cpu")


def test_the_precision_is_read_from_the_weights(small_model_dir: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    AutoModelForSequenceClassification.from_pretrained(small_model_dir).half().save_pretrained(
        tmp_path
    )
    engine = load_engine("torch", tmp_path, threads=1)
    assert engine.precision == "fp16"
    ids = np.ones((1, 4), dtype=np.int64)
    assert engine.infer(ids, ids).dtype == np.float32


def test_an_unknown_engine_is_refused(small_model_dir: Path) -> None:
    with pytest.raises(ValueError, match="found 'tensorrt'"):
        load_engine("tensorrt", small_model_dir, threads=1)  # type: ignore[arg-type]  # the point


@pytest.mark.parametrize("name", ["torch", "onnxruntime"])
def test_half_precision_is_loaded_where_it_is_asked_for(
    name: EngineName, small_model_dir: Path
) -> None:
    engine = load_engine(name, small_model_dir, 1, Placement(precision="fp16"))
    assert (engine.precision, engine.device) == ("fp16", "cpu")


def test_weights_of_two_types_are_called_mixed(small_model_dir: Path) -> None:
    import torch

    from servers.classifier.torch_engine import precision_of

    half, single = torch.zeros(1, dtype=torch.float16), torch.zeros(1)
    assert [precision_of([half]), precision_of([half, single])] == ["fp16", "mixed"]


def test_the_placement_is_read_from_the_options_and_other_options_are_left() -> None:
    options = {"device": "cuda", "precision": "fp16", "cuda_graphs": True, "max_batch_size": 32}
    assert placement_from(options) == Placement("cuda", "fp16", cuda_graphs=True)
    assert placement_from({"max_batch_size": 32}) == Placement()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"device": "gpu"}, 'expected device = "cpu" or "cuda", found "gpu"'),
        ({"precision": "int8"}, 'expected precision = "fp32" or "fp16", found "int8"'),
        ({"tensorrt": "yes"}, 'expected tensorrt = false or true, found "yes"'),
    ],
)
def test_a_placement_that_does_not_exist_is_a_reason(
    options: dict[str, str], expected: str
) -> None:
    with pytest.raises(EngineUnavailableError, match=expected):
        placement_from(options)


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        (Placement(device="cuda"), "expected a CUDA device .* found none that torch"),
        (Placement(cuda_graphs=True), 'expected device = "cuda" for cuda_graphs'),
        (Placement(device="cuda", tensorrt=True), "expected the engine onnxruntime for tensorrt"),
    ],
)
def test_what_pytorch_does_not_have_here_is_a_reason(
    small_model_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    placement: Placement,
    expected: str,
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EngineUnavailableError, match=expected):
        load_engine("torch", small_model_dir, 1, placement)


def test_a_network_that_cannot_be_recorded_is_a_reason(
    small_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from servers.classifier import torch_engine

    def refuse(network: object, device: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    monkeypatch.setattr(torch_engine, "_require_available", lambda placement: None)
    monkeypatch.setattr(torch_engine, "CudaGraphRecorder", refuse)
    with pytest.raises(EngineUnavailableError, match="'operation not permitted.*capturing'"):
        load_engine("torch", small_model_dir, 1, Placement(cuda_graphs=True))
