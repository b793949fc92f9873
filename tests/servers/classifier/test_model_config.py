import json
from pathlib import Path
from typing import Any

import pytest

from servers.classifier.errors import ClassifierError
from servers.classifier.model_config import labels_of, read_config, usable_tokens

FOLDER = Path("/models/brought")


@pytest.mark.parametrize(
    ("config", "labels"),
    [
        ({}, ("LABEL_0", "LABEL_1")),
        ({"id2label": None, "num_labels": 3}, ("LABEL_0", "LABEL_1", "LABEL_2")),
        ({"id2label": {"1": "yes", "0": "no"}}, ("no", "yes")),
        ({"id2label": {"0": 1, "1": 5}}, ("1", "5")),
        ({"id2label": ["no", "yes"]}, ("no", "yes")),
        ({"id2label": {"0": "no", "1": "ja, 好"}, "problem_type": None}, ("no", "ja, 好")),
    ],
)
def test_labels_are_words_in_the_order_of_the_logits(
    config: dict[str, Any], labels: tuple[str, ...]
) -> None:
    assert labels_of(config, FOLDER) == labels


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({"id2label": {"0": None, "1": "yes"}}, "found the label null"),
        ({"id2label": {"0": True, "1": "yes"}}, "found the label true"),
        ({"id2label": {"0": " ", "1": "yes"}}, 'found the label " "'),
        ({"id2label": {"0": "\ud800", "1": "yes"}}, r'found the label "\ud800"'),
        ({"id2label": {"1": "no", "2": "yes"}}, 'found {"1": "no", "2": "yes"}'),
        ({"id2label": {"no": 0, "yes": 1}}, 'found {"no": 0, "yes": 1}'),
        ({"id2label": "no, yes"}, 'found "no, yes"'),
        ({"num_labels": "two"}, 'found num_labels "two"'),
        ({"num_labels": 1}, "found 1: a head of one logit"),
        ({"id2label": {"0": "score"}}, "found 1: a head of one logit"),
        ({"problem_type": "regression"}, "found problem_type 'regression'"),
        ({"problem_type": "multi_label_classification"}, "'multi_label_classification'"),
    ],
)
def test_labels_that_no_softmax_chooses_from_are_refused_in_one_sentence(
    config: dict[str, Any], found: str
) -> None:
    with pytest.raises(ClassifierError) as refusal:
        labels_of(config, FOLDER)
    assert found in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("{", "found a config.json that is no JSON"),
        ("[]", "found null"),
        ("{}", "found null"),
        (json.dumps({"model_type": "t5"}), 'found "t5": use a model of albert, bert,'),
        (json.dumps({"model_type": ["bert"]}), 'found ["bert"]'),
    ],
)
def test_a_configuration_of_no_supported_family_is_refused(
    tmp_path: Path, content: str, found: str
) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ClassifierError) as refusal:
        read_config(tmp_path)
    assert found in str(refusal.value)


@pytest.mark.parametrize(
    ("family", "padding_id", "usable"),
    [("bert", 0, 128), ("roberta", 1, 126), ("xlm-roberta", 1, 126), ("roberta", None, 127)],
)
def test_positions_of_roberta_are_fewer_tokens(
    family: str, padding_id: int | None, usable: int
) -> None:
    assert usable_tokens(family, 128, padding_id) == usable
