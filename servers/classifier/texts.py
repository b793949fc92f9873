"""Generated texts of a load (text_files.py reads those of a user's file)."""

from itertools import islice
from random import Random

from servers.classifier.corpus import build_corpus, distinct_messages
from servers.classifier.model_specs import TrainingSpec

N_GENERATED_TEXTS = 2000


def generated_texts(seed: int, model_seed: int) -> tuple[str, ...]:
    """Messages that the classifier trained from model_seed has not seen."""
    training = TrainingSpec()
    corpus = build_corpus(model_seed, training.n_training, training.n_heldout)
    seen = {message.text for message in corpus.training}
    fresh = distinct_messages(Random(f"traffic {seed}"), exclude=seen)
    return tuple(message.text for message in islice(fresh, N_GENERATED_TEXTS))
