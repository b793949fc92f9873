"""A tiny random model of every supported family, built and asked like a user's own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from servers.classifier import load_classifier
from servers.classifier.build import build_model
from servers.classifier.encoding import Encoder, read_labels
from servers.classifier.errors import ClassifierError
from servers.classifier.model_config import FAMILIES
from servers.classifier.vocabulary import build_vocabulary, save_tokenizer
from servers.fastapi_service.published import PublishedClassifier
from servers.http_service import Counters

TEXTS = ["where is my parcel?", "ok", "好" * 200]

_TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 160,
    "pad_token_id": 0,
    "initializer_range": 0.5,
}
_NAMED_OTHERWISE: dict[str, dict[str, Any]] = {
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32},
    "electra": {"embedding_size": 16},
    "albert": {"embedding_size": 16},
    "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 160},
    "mobilebert": {"embedding_size": 16, "intra_bottleneck_size": 16, "true_hidden_size": 16},
    "roformer": {"embedding_size": 16},
    "deberta": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "modernbert": {"global_attn_every_n_layers": 2},
}

Checkpoints = Callable[..., Path]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoints:
    """Writes a folder of a family in the Hugging Face format, as save_pretrained leaves it."""

    def write(
        family: str = "bert", tokenizer: dict[str, Any] | None = None, **changes: Any
    ) -> Path:
        folder = tmp_path / "brought"
        folder.mkdir()
        vocabulary = build_vocabulary(["where is my parcel"] * 3)
        save_tokenizer(vocabulary, folder, max_length=128)
        given = _TINY | _NAMED_OTHERWISE.get(family, {}) | {"vocab_size": len(vocabulary)} | changes
        torch.manual_seed(1)
        config = AutoConfig.for_model(family, **given)
        AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
        if tokenizer:
            _change(folder / "tokenizer_config.json", tokenizer)
        return folder

    return write


def _change(path: Path, changes: dict[str, Any]) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_of_every_supported_family_gives_one_answer_whoever_is_asked(
    checkpoint: Checkpoints, tmp_path: Path, family: str
) -> None:
    model_dir = build_model(str(checkpoint(family)), tmp_path / "cache", seed=1)
    answers = [
        load_classifier(model_dir, engine, threads=1).predict(TEXTS)
        for engine in ("torch", "onnxruntime")
    ]
    published = PublishedClassifier(str(model_dir), "cpu", Counters()).predict(TEXTS, 128)
    assert {answer.label for answer in answers[0]} <= {"LABEL_0", "LABEL_1"}
    for several in (answers[1], published):
        assert [answer.label for answer in several] == [answer.label for answer in answers[0]]
        assert [a.confidence for a in several] == pytest.approx(
            [a.confidence for a in answers[0]], abs=1e-4
        )


@pytest.mark.parametrize("family", ["bart", "t5", "funnel", "longformer"])
def test_a_model_of_another_family_is_refused_by_name_before_any_work(
    checkpoint: Checkpoints, tmp_path: Path, family: str
) -> None:
    folder = checkpoint()
    _change(folder / "config.json", {"model_type": family})
    with pytest.raises(ClassifierError, match=f'found "{family}": use a model of albert, bert, '):
        build_model(str(folder), tmp_path / "cache", seed=1)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(("positions", "usable"), [(128, 126), (129, 127)])
def test_roberta_counts_its_positions_from_behind_the_padding(
    checkpoint: Checkpoints, tmp_path: Path, positions: int, usable: int
) -> None:
    folder = checkpoint("roberta", max_position_embeddings=positions, pad_token_id=1)
    with pytest.raises(
        ClassifierError, match=f"max_position_embeddings {positions}, enough for {usable}: "
    ):
        build_model(str(folder), tmp_path / "cache", seed=1)


def test_roberta_with_just_enough_positions_takes_the_longest_text(
    checkpoint: Checkpoints, tmp_path: Path
) -> None:
    folder = checkpoint("roberta", max_position_embeddings=130, pad_token_id=1)
    model_dir = build_model(str(folder), tmp_path / "cache", seed=1)
    assert load_classifier(model_dir, "onnxruntime", 1).encode(["好" * 200]).lengths == [128]


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_side_of_truncation_is_that_of_the_users_tokenizer(
    checkpoint: Checkpoints, tmp_path: Path, side: str
) -> None:
    folder = checkpoint(tokenizer={"truncation_side": side, "padding_side": "left"})
    of_the_user: Any = AutoTokenizer.from_pretrained(folder)
    model_dir = build_model(str(folder), tmp_path / "cache", seed=1)
    text = "where is my parcel " * 60
    expected = of_the_user(text, truncation=True, max_length=64).input_ids
    assert Encoder(model_dir).encode([text], 64).input_ids.tolist() == [expected]
    built: Any = AutoTokenizer.from_pretrained(model_dir)
    assert built(text, truncation=True, max_length=64).input_ids == expected
    assert (built.truncation_side, built.padding_side) == (side, "right")


def test_a_batch_of_a_left_padding_tokenizer_gets_the_answers_of_its_texts_alone(
    checkpoint: Checkpoints, tmp_path: Path
) -> None:
    folder = checkpoint("gpt2", tokenizer={"padding_side": "left"})
    model_dir = build_model(str(folder), tmp_path / "cache", seed=1)
    published = PublishedClassifier(str(model_dir), "cpu", Counters())
    together = published.predict(TEXTS, 128)
    alone = [published.predict([text], 128)[0] for text in TEXTS]
    assert [a.confidence for a in together] == pytest.approx([a.confidence for a in alone])


def test_a_tokenizer_that_adds_steps_to_its_file_is_refused(
    checkpoint: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkpoint()
    encode = Encoder.encode
    monkeypatch.setattr(
        Encoder, "encode", lambda self, texts, *_: encode(self, [t + "!" for t in texts], 128)
    )
    with pytest.raises(ClassifierError, match=r"works from tokenizer\.json alone"):
        build_model(str(folder), tmp_path / "cache", seed=1)


def test_the_padding_of_the_network_counts_and_without_any_the_model_is_refused(
    checkpoint: Checkpoints, tmp_path: Path
) -> None:
    folder = checkpoint(pad_token_id=3)
    built: Any = AutoTokenizer.from_pretrained(build_model(str(folder), tmp_path / "one", seed=1))
    assert (built.pad_token_id, built.pad_token) == (3, "[SEP]")
    _change(folder / "config.json", {"pad_token_id": None})
    _change(folder / "tokenizer_config.json", {"pad_token": None})
    with pytest.raises(ClassifierError, match="found neither pad_token_id"):
        build_model(str(folder), tmp_path / "two", seed=1)


def test_labels_that_are_no_words_become_words_in_every_answer(
    checkpoint: Checkpoints, tmp_path: Path
) -> None:
    folder = checkpoint(id2label={0: 5, 1: 7})
    model_dir = build_model(str(folder), tmp_path / "cache", seed=1)
    assert read_labels(model_dir) == ("5", "7")
    (answer,) = PublishedClassifier(str(model_dir), "cpu", Counters()).predict(["ok"], 128)
    assert answer.label in ("5", "7")
