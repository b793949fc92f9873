import pytest

from servers.classifier.errors import ClassifierError
from servers.classifier.vocabulary import SPECIAL_TOKENS, build_vocabulary

TEXTS = ["parcel parcel Parcel", "rare", "龘订单"]


def test_special_tokens_come_first_and_no_token_comes_twice() -> None:
    vocabulary = build_vocabulary(TEXTS)
    assert tuple(vocabulary[:5]) == SPECIAL_TOKENS
    assert len(set(vocabulary)) == len(vocabulary)


def test_frequent_words_and_all_seen_ideographs_are_tokens() -> None:
    vocabulary = build_vocabulary(TEXTS)
    assert {"parcel", "龘", "我", "##1"} <= set(vocabulary)
    assert "rare" not in vocabulary


def test_a_vocabulary_is_filled_up_with_unused_tokens() -> None:
    vocabulary = build_vocabulary(TEXTS, padded_to=21128)
    assert len(set(vocabulary)) == len(vocabulary) == 21128
    assert vocabulary[-1].startswith("[unused")


def test_a_vocabulary_larger_than_the_network_is_refused() -> None:
    with pytest.raises(ClassifierError, match="expected at most 100 tokens"):
        build_vocabulary(TEXTS, padded_to=100)
