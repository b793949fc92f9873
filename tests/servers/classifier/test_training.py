from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import BertForSequenceClassification

from servers.classifier.corpus import build_corpus
from servers.classifier.encoding import Encoder
from servers.classifier.errors import ClassifierError
from servers.classifier.model_specs import NetworkSpec, TrainingSpec
from servers.classifier.training import require_accuracy, seeded_network, train
from servers.classifier.vocabulary import build_vocabulary, save_tokenizer

Trained = Callable[[int], BertForSequenceClassification]


@pytest.fixture
def trained(tmp_path: Path, tiny_network: NetworkSpec, tiny_training: TrainingSpec) -> Trained:
    corpus = build_corpus(1, tiny_training.n_training, tiny_training.n_heldout)
    vocabulary = build_vocabulary(message.text for message in corpus.training)
    save_tokenizer(vocabulary, tmp_path, max_length=128)

    def once(seed: int) -> BertForSequenceClassification:
        network = seeded_network(tiny_network, len(vocabulary), corpus.labels, seed)
        network.save_pretrained(tmp_path)
        train(network, Encoder(tmp_path), corpus.training, tiny_training, seed)
        return network

    return once


def _weights(network: BertForSequenceClassification) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def test_the_same_seed_gives_the_same_weights_on_any_number_of_cores(trained: Trained) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    first = _weights(trained(5))
    torch.set_num_threads(2)
    torch.rand(3)  # training must not depend on the state of the shared generator
    second = _weights(trained(5))
    torch.set_num_threads(threads)
    assert torch.equal(first, second)


def test_another_seed_gives_other_weights(trained: Trained) -> None:
    assert not torch.equal(_weights(trained(5)), _weights(trained(6)))


def test_training_changes_every_layer(trained: Trained, tiny_network: NetworkSpec) -> None:
    network = trained(5)
    labels = list((network.config.id2label or {}).values())
    untrained = seeded_network(tiny_network, network.config.vocab_size, labels, seed=5)
    unchanged = [
        name
        for (name, before), after in zip(
            untrained.named_parameters(), network.parameters(), strict=True
        )
        if torch.equal(before, after)
    ]
    assert unchanged == []


def test_a_classifier_that_did_not_learn_is_refused() -> None:
    with pytest.raises(ClassifierError, match=r"at least 95% of 1000 .* found 94\.9%"):
        require_accuracy(0.949, TrainingSpec())
    require_accuracy(0.95, TrainingSpec())
