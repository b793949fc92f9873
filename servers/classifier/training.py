"""Makes the networks: seeded weights, and the training that gives the small one its meaning."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random

import torch
from transformers import BertConfig, BertForSequenceClassification

from servers.classifier.corpus import Message
from servers.classifier.encoding import Encoder
from servers.classifier.errors import ClassifierError
from servers.classifier.model_specs import NetworkSpec, TrainingSpec
from servers.classifier.progress import tracked
from servers.classifier.vocabulary import PAD_ID

_POOL_BATCHES = 16
_WARMUP_SHARE = 0.1
_WEIGHT_DECAY = 0.01
_CLIP_NORM = 1.0

Batch = list[Message]


def seeded_network(
    spec: NetworkSpec, vocabulary_size: int, labels: Sequence[str], seed: int
) -> BertForSequenceClassification:
    """A network with the weights that seed gives it."""
    config = BertConfig(
        vocab_size=vocabulary_size,
        hidden_size=spec.width,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        intermediate_size=spec.intermediate,
        max_position_embeddings=spec.max_positions,
        hidden_dropout_prob=spec.dropout,
        attention_probs_dropout_prob=spec.dropout,
        pad_token_id=PAD_ID,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = BertForSequenceClassification(config)
    network.train(False)
    return network


def train(
    network: BertForSequenceClassification,
    encoder: Encoder,
    messages: Sequence[Message],
    spec: TrainingSpec,
    seed: int,
) -> None:
    """Trains network in place; the same seed gives the same weights on the same kind of CPU."""
    with torch.random.fork_rng(), one_thread():
        torch.manual_seed(seed)
        batches = list(_batches(messages, spec, Random(seed)))
        optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=spec.peak_learning_rate,
            weight_decay=_WEIGHT_DECAY,
            fused=True,
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: _learning_rate_share(step, len(batches))
        )
        network.train()
        for batch in tracked(batches, "training the classifier"):
            loss = torch.nn.functional.cross_entropy(
                _logits(network, encoder, batch), _targets(network, batch)
            )
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(network.parameters(), _CLIP_NORM)
            optimizer.step()
            schedule.step()
        network.train(False)


def heldout_accuracy(
    network: BertForSequenceClassification, encoder: Encoder, messages: Sequence[Message]
) -> float:
    """Share of messages whose most likely label is theirs."""
    by_length = sorted(messages, key=lambda message: len(message.text))
    hits = 0
    with torch.inference_mode(), one_thread():
        for start in range(0, len(by_length), 64):
            batch = by_length[start : start + 64]
            best = _logits(network, encoder, batch).argmax(dim=-1)
            hits += int((best == _targets(network, batch)).sum())
    return hits / len(messages)


def require_accuracy(accuracy: float, spec: TrainingSpec) -> None:
    if accuracy < spec.accuracy_floor:
        raise ClassifierError(
            f"expected the trained classifier to label at least {spec.accuracy_floor:.0%} of "
            f"{spec.n_heldout} held-out messages correctly, found {accuracy:.1%}: try another "
            "--seed."
        )


@contextmanager
def one_thread() -> Iterator[None]:
    """The order of sums, and so the weights, would otherwise depend on the number of cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _batches(messages: Sequence[Message], spec: TrainingSpec, rng: Random) -> Iterator[Batch]:
    """Batches of similar length (little padding), in random order, epochs times all messages."""
    pool_size = spec.batch_size * _POOL_BATCHES
    for _ in range(spec.epochs):
        shuffled = rng.sample(messages, len(messages))
        pools = [shuffled[i : i + pool_size] for i in range(0, len(shuffled), pool_size)]
        for pool in pools:
            pool.sort(key=lambda message: len(message.text.encode("gb18030")))
            batches = [pool[i : i + spec.batch_size] for i in range(0, len(pool), spec.batch_size)]
            yield from rng.sample(batches, len(batches))


def _learning_rate_share(step: int, n_steps: int) -> float:
    """Linear warm-up, then a half cosine to zero."""
    warmup = max(1, int(_WARMUP_SHARE * n_steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, n_steps - warmup)))


def _logits(
    network: BertForSequenceClassification, encoder: Encoder, batch: Sequence[Message]
) -> torch.Tensor:
    encoded = encoder.encode(
        [message.text for message in batch], network.config.max_position_embeddings
    )
    logits: torch.Tensor = network(
        input_ids=torch.from_numpy(encoded.input_ids),
        attention_mask=torch.from_numpy(encoded.attention_mask),
    ).logits
    return logits


def _targets(network: BertForSequenceClassification, batch: Sequence[Message]) -> torch.Tensor:
    ids = {label: index for index, label in (network.config.id2label or {}).items()}
    return torch.tensor([ids[message.label] for message in batch])
