import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from servers.classifier import encoding
from servers.classifier.encoding import Encoder, decode, read_labels, softmax

TEXTS = ["where is my parcel?", "我的订单到哪里了？请尽快回复，谢谢。", "ok"]


@pytest.fixture(scope="module")
def encoder(small_model_dir: Path) -> Encoder:
    return Encoder(small_model_dir)


def test_rows_are_padded_to_the_longest_text(encoder: Encoder) -> None:
    encoded = encoder.encode(TEXTS, max_length=128)
    assert encoded.input_ids.shape == encoded.attention_mask.shape == (3, max(encoded.lengths))
    assert encoded.attention_mask.sum(axis=1).tolist() == encoded.lengths.tolist()
    assert (encoded.input_ids[encoded.attention_mask == 0] == 0).all()
    assert {encoded.input_ids.dtype, encoded.attention_mask.dtype, encoded.lengths.dtype} == {
        np.dtype(np.int64)
    }


@pytest.mark.parametrize(("text", "length"), [("ok", 16), ("好" * 14, 16), ("好" * 15, 32)])
def test_a_batch_is_padded_to_the_smallest_bucket_that_holds_it(
    encoder: Encoder, text: str, length: int
) -> None:
    assert encoder.encode([text], 128, buckets=(64, 16, 32)).input_ids.shape == (1, length)


def test_a_batch_longer_than_every_bucket_is_refused(encoder: Encoder) -> None:
    with pytest.raises(ValueError, match="expected a length bucket of at least 62 tokens"):
        encoder.encode(["好" * 60], 128, buckets=(16, 32))


def test_a_long_text_is_truncated_and_keeps_its_closing_token(encoder: Encoder) -> None:
    whole = encoder.encode(["好" * 300], max_length=400).input_ids[0]
    truncated = encoder.encode(["好" * 300], max_length=16).input_ids[0]
    assert truncated.tolist() == [*whole[:15], whole[-1]]


def test_one_row_does_not_change_the_tokens_of_another(encoder: Encoder) -> None:
    together = encoder.encode(TEXTS, max_length=128)
    for row, text in enumerate(TEXTS):
        alone = encoder.encode([text], max_length=128).input_ids[0]
        assert together.input_ids[row, : together.lengths[row]].tolist() == alone.tolist()


@pytest.mark.parametrize(
    "text",
    [*TEXTS, "naïve ÜBER", "龘 😀 \u200b", "#A1234, 56.78 €", "[SEP] [MASK]", "全角！ＡＢ", " "],
)
def test_token_ids_are_those_of_transformers(
    encoder: Encoder, small_model_dir: Path, text: str
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(small_model_dir)
    expected = tokenizer(text, truncation=True, max_length=20).input_ids
    assert encoder.encode([text], max_length=20).input_ids[0].tolist() == expected


def test_an_unknown_character_becomes_the_unknown_token(
    encoder: Encoder, small_model_dir: Path
) -> None:
    unknown = AutoTokenizer.from_pretrained(small_model_dir).unk_token_id
    assert encoder.encode(["😀"], max_length=8).input_ids[0].tolist()[1:-1] == [unknown]


def test_probabilities_sum_to_one_even_for_huge_logits() -> None:
    probabilities = softmax(np.array([[1e4, 0.0], [0.0, 0.0]], dtype=np.float32))
    assert probabilities.dtype == np.float32
    assert probabilities.tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_decode_names_the_most_likely_label_of_each_row() -> None:
    logits = np.log(np.array([[0.2, 0.8], [0.9, 0.1]], dtype=np.float32))
    first, second = decode(logits, ["no", "yes"])
    assert (first.label, second.label) == ("yes", "no")
    assert first.confidence == pytest.approx(0.8)


def test_labels_are_in_the_order_of_the_logits(tmp_path: Path) -> None:
    labels = {str(index): f"label {index}" for index in reversed(range(11))}
    (tmp_path / "config.json").write_text(f'{{"id2label": {labels}}}'.replace("'", '"'))
    assert read_labels(tmp_path) == tuple(f"label {index}" for index in range(11))


def test_the_module_can_be_copied_away_from_the_package() -> None:
    tree = ast.parse(Path(encoding.__file__).read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or "."]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= {"numpy", "tokenizers", *sys.stdlib_module_names}


@pytest.mark.parametrize(
    "module", ["servers.classifier", "servers.classifier.encoding", "servers.classifier.build"]
)
def test_importing_loads_no_engine(module: str) -> None:
    code = (
        f"import sys, {module}\n"
        "print({'torch', 'transformers', 'onnxruntime', 'onnx'} & set(sys.modules))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "set()"
