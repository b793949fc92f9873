from pathlib import Path
from random import Random

import numpy as np
import pytest

from servers.classifier import Encoder
from servers.classifier.corpus import Corpus, build_corpus, distinct_messages


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return build_corpus(seed=3, n_training=3000, n_heldout=800)


def test_the_same_seed_gives_the_same_corpus(corpus: Corpus) -> None:
    assert build_corpus(seed=3, n_training=3000, n_heldout=800) == corpus


def test_another_seed_gives_another_corpus(corpus: Corpus) -> None:
    assert build_corpus(seed=4, n_training=3000, n_heldout=800).heldout != corpus.heldout


def test_no_heldout_text_was_seen_in_training(corpus: Corpus) -> None:
    training = {message.text for message in corpus.training}
    assert not training & {message.text for message in corpus.heldout}


def test_ten_intents_are_about_equally_frequent(corpus: Corpus) -> None:
    counts = [sum(message.label == label for message in corpus.training) for label in corpus.labels]
    assert len(counts) == 10
    assert min(counts) > 0.07 * sum(counts)


def test_about_half_of_the_messages_are_chinese(corpus: Corpus) -> None:
    chinese = sum(any("\u4e00" <= c <= "\u9fff" for c in m.text) for m in corpus.training)
    assert 0.45 < chinese / len(corpus.training) < 0.55


def test_no_message_has_an_unfilled_slot(corpus: Corpus) -> None:
    assert not [m.text for m in corpus.training if any(c in m.text for c in "{}§")]


def test_excluded_texts_are_not_generated(corpus: Corpus) -> None:
    first = next(distinct_messages(Random(3)))
    assert next(distinct_messages(Random(3), exclude={first.text})) != first


def test_lengths_are_mostly_short_with_a_long_tail(corpus: Corpus, small_model_dir: Path) -> None:
    encoder = Encoder(small_model_dir)
    lengths = encoder.encode([m.text for m in corpus.training], max_length=128).lengths
    assert np.percentile(lengths, 5) >= 6
    assert np.percentile(lengths, 70) <= 25
    assert 64 < lengths.max() <= 128
