import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from servers.classifier import load_classifier
from servers.classifier.corpus import build_corpus
from servers.classifier.errors import ClassifierError
from servers.classifier.model_specs import TrainingSpec
from servers.classifier.text_files import read_texts
from servers.classifier.texts import generated_texts
from servers.classifier.traffic import build_traffic


@pytest.fixture
def texts_file(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def _rows(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def test_each_text_has_the_answer_that_it_gets_alone(
    small_model_dir: Path, tmp_path: Path, texts_file: Callable[..., Path]
) -> None:
    texts = ["where is my order?", "我要投诉", "refund me please", "我要退款", "很喜欢" * 70]
    path = texts_file("mine.txt", "\n".join(texts))
    traffic = build_traffic(small_model_dir, tmp_path / "cache", seed=1, texts_path=path)
    assert (traffic.source, traffic.n_texts) == ("file mine.txt", 5)
    classifier = load_classifier(small_model_dir, "torch", threads=1)
    for index, (row, text) in enumerate(zip(_rows(traffic.path), texts, strict=True)):
        (alone,) = classifier.predict([text])
        assert (row["text_id"], row["text"], row["label"]) == (index, text, alone.label)
        assert row["confidence"] == pytest.approx(alone.confidence, abs=1e-6)
        assert row["n_tokens"] == classifier.encode([text]).lengths[0]
    assert row["n_tokens"] == 128


def test_generated_texts_were_not_seen_in_training_and_follow_the_seed() -> None:
    training = TrainingSpec()
    corpus = build_corpus(7, training.n_training, training.n_heldout)
    texts = generated_texts(seed=7, model_seed=7)
    assert len(set(texts)) == 2000
    assert not set(texts) & {message.text for message in corpus.training}
    assert generated_texts(seed=7, model_seed=7) == texts != generated_texts(8, model_seed=7)


def test_the_same_traffic_is_computed_once_and_other_texts_anew(
    small_model_dir: Path, tmp_path: Path, texts_file: Callable[..., Path]
) -> None:
    one = build_traffic(small_model_dir, tmp_path / "c", 1, texts_file("a.txt", "hello"))
    again = build_traffic(small_model_dir, tmp_path / "c", 1, texts_file("a.txt", "hello"))
    other = build_traffic(small_model_dir, tmp_path / "c", 1, texts_file("a.txt", "bye"))
    assert one == again
    assert one.digest != other.digest
    assert len(list((tmp_path / "c").iterdir())) == 2


def test_repeats_are_kept_and_blank_lines_skipped(texts_file: Callable[..., Path]) -> None:
    path = texts_file("mine.txt", "\ufeff one \r\n\r\n two\u2028still two\n   \none")
    assert read_texts(path) == ("one", "two\u2028still two", "one")


def test_jsonl_may_hold_other_fields(texts_file: Callable[..., Path]) -> None:
    path = texts_file("mine.jsonl", '{"text": "你好\\n再见", "id": 1}\n\n{"text": "b"}\n')
    assert read_texts(path) == ("你好\n再见", "b")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", "ok\n" + "x" * 2001, "a.txt line 2: expected .* 2000 characters, found 2001"),
        ("a.txt", " \n\n", "expected at least one text in .*a.txt, found none"),
        ("a.txt", b"ok\nok\n\xff\xfe", "expected UTF-8 in .*a.txt, found byte 0xff on line 3"),
        ("a.jsonl", "", "expected at least one text in .*a.jsonl, found none"),
        ("a.jsonl", '{"text": "ok"}\nnot json', "at .*a.jsonl line 2, found no JSON"),
        ("a.jsonl", '{"txt": "ok"}', 'whose "text" is a string at .*a.jsonl line 1'),
        ("a.jsonl", '{"text": 5}', 'whose "text" is a string at .*a.jsonl line 1'),
        ("a.jsonl", '["text"]', 'whose "text" is a string at .*a.jsonl line 1'),
        ("a.jsonl", '{"text": " "}', "a.jsonl line 1: expected a text, found an empty or blank"),
        ("a.jsonl", '{"text": "%s"}' % ("x" * 2001), "a.jsonl line 1: expected .*, found 2001"),
        ("a.JSONL", '{"txt": "ok"}', 'whose "text" is a string at .*a.JSONL line 1'),
        ("a.jsonl", '{"text": %s}' % ("9" * 5000), "line 1, found no JSON .numbers too long"),
        ("a.txt", "ok\n\u200b", "a.txt line 2: .* only characters that cannot be seen; contenders"),
        ("a.txt", '{"text": "a"}\n\n{"text": "b"}', r"found JSON, .* name the file \*.jsonl"),
        ("a.txt", '["a", "b"]', r"found JSON, .* or \*.json where it is one list"),
        ("a.json", '{"a": 1}', "expected a JSON list of texts in .*a.json, found an object"),
        ("a.json", '[\n"ok",\n', "found no JSON .Expecting value, line 3"),
        ("a.json", "[" * 100_000, "found no JSON .numbers too long or nested too deep"),
        ("a.json", '["ok", 5]', "at .*a.json entry 2, found another value"),
        ("a.json", '["ok", ""]', "a.json entry 2: expected a text, found an empty or blank one"),
        ("a.csv", "id,message\n1,hi", "column named 'text' in .*a.csv, found 'id,message'"),
        ("a.csv", 'id,text\n1,"a\nb"\n2', "expected at least 2 cells at .*a.csv line 4, found 1"),
        ("a.csv", 'text\n"a" b', "expected CSV at .*a.csv line 2, found none"),
        ("a.csv", "id,text\n1,ok\n2,", "a.csv line 3: expected a text, found an empty or blank"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused_by_name_and_line(
    texts_file: Callable[..., Path], name: str, content: str | bytes, expected: str
) -> None:
    with pytest.raises(ClassifierError, match=expected) as refusal:
        read_texts(texts_file(name, content))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "one, two\n{three}\n"),
        ("a.JSONL", '{"text": "one, two"}\n{"text": "{three}"}'),
        ("a.ndjson", '"one, two"\n{"text": "{three}"}'),
        ("a.json", '["one, two", {"text": "{three}", "id": 2}]'),
        ("a.csv", '\ufeffid,Text\r\n1,"one, two"\r\n\r\n2,{three}\r\n'),
        ("a.csv", "id;text\n1;one, two\n2;{three}"),
        ("a.tsv", "text\tid\none, two\t1\n{three}\t2"),
    ],
)
def test_each_kind_of_file_is_read_as_its_name_says(
    texts_file: Callable[..., Path], name: str, content: str
) -> None:
    assert read_texts(texts_file(name, content)) == ("one, two", "{three}")


def test_half_a_surrogate_pair_is_sent_and_kept_as_the_escape_it_was(
    small_model_dir: Path, tmp_path: Path, texts_file: Callable[..., Path]
) -> None:
    path = texts_file("a.jsonl", r'{"text": "hi \ud800"}')
    traffic = build_traffic(small_model_dir, tmp_path / "cache", seed=1, texts_path=path)
    assert [row["text"] for row in _rows(traffic.path)] == [r"hi \ud800"]


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir])
def test_what_is_no_file_is_refused_without_waiting_for_it(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    make(tmp_path / "a.txt")
    with pytest.raises(ClassifierError, match=r"could not read it \(it is no regular file\)"):
        read_texts(tmp_path / "a.txt")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClassifierError, match="none.txt, could not read it"):
        read_texts(tmp_path / "none.txt")


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClassifierError, match="expected model.json"):
        build_traffic(tmp_path, tmp_path / "cache", seed=1)
