from pathlib import Path

import numpy as np
import pytest

from servers.classifier import Classifier, EngineName, load_classifier, load_engine
from servers.classifier.corpus import Corpus, build_corpus
from servers.classifier.model_specs import TrainingSpec

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


@pytest.mark.parametrize("name", ["torch", "onnxruntime"])
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
