"""Fills one folder with artefacts. Imports PyTorch: build.py comes here only on a cache miss."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForSequenceClassification,
    PretrainedConfig,
)

from servers.classifier.corpus import Corpus, build_corpus
from servers.classifier.encoding import Encoder
from servers.classifier.errors import ClassifierError
from servers.classifier.export import export_onnx, verify_parity
from servers.classifier.model_info import ModelInfo
from servers.classifier.model_sources import Checkpoint, ModelSource, Seeded, Trained
from servers.classifier.model_specs import NetworkSpec, TrainingSpec
from servers.classifier.progress import say
from servers.classifier.training import (
    heldout_accuracy,
    one_thread,
    require_accuracy,
    seeded_network,
    train,
)
from servers.classifier.vocabulary import build_vocabulary, save_tokenizer
from servers.contract import MAX_LENGTH_TOKENS


def make_artefacts(
    source: ModelSource, folder: Path, seed: int, training: TrainingSpec, digest: str
) -> ModelInfo:
    """Writes all but model.json into folder."""
    corpus = build_corpus(seed, training.n_training, training.n_heldout)
    if isinstance(source, Trained):
        accuracy = _make_trained(source.spec, folder, corpus, training, seed)
        info = ModelInfo(digest, source.spec.name, "trained", (), accuracy, seed)
    elif isinstance(source, Seeded):
        _make_seeded(source.spec, folder, corpus, seed)
        info = ModelInfo(digest, source.spec.name, "seeded", source.notes, None, seed)
    else:
        notes = _make_loaded(source, folder, corpus.labels, seed)
        info = ModelInfo(digest, source.name, "loaded", notes, None, seed)
    say("exporting to ONNX and comparing with PyTorch")
    network = AutoModelForSequenceClassification.from_pretrained(
        folder, attn_implementation="eager"
    ).eval()
    export_onnx(network, folder / "model.onnx")
    with one_thread():
        verify_parity(folder, network.config.vocab_size)
    for path in folder.iterdir():
        path.chmod(0o644)  # safetensors are written for their owner only; containers read them too
    return info


def _make_trained(
    spec: NetworkSpec, folder: Path, corpus: Corpus, training: TrainingSpec, seed: int
) -> float:
    network = _make_seeded(spec, folder, corpus, seed)
    encoder = Encoder(folder)
    train(network, encoder, corpus.training, training, seed)
    accuracy = heldout_accuracy(network, encoder, corpus.heldout)
    require_accuracy(accuracy, training)
    say(f"held-out accuracy {accuracy:.1%} of {len(corpus.heldout)} messages")
    network.save_pretrained(folder)
    return accuracy


def _make_seeded(
    spec: NetworkSpec, folder: Path, corpus: Corpus, seed: int
) -> BertForSequenceClassification:
    vocabulary = build_vocabulary(
        (message.text for message in corpus.training), spec.vocabulary_size
    )
    save_tokenizer(vocabulary, folder, spec.max_positions)
    network = seeded_network(spec, len(vocabulary), corpus.labels, seed)
    network.save_pretrained(folder)
    return network


def _make_loaded(
    source: Checkpoint, folder: Path, own_labels: Sequence[str], seed: int
) -> tuple[str, ...]:
    """Copies the checkpoint in single precision; the notes say what it lacked."""
    try:
        config = AutoConfig.from_pretrained(source.folder)
        tokenizer = AutoTokenizer.from_pretrained(source.folder)
        if not _is_classifier(config):
            config.id2label = dict(enumerate(own_labels))
            config.label2id = {label: index for index, label in enumerate(own_labels)}
        with torch.random.fork_rng():
            torch.manual_seed(seed)  # for a head that the checkpoint may lack
            network, loading = AutoModelForSequenceClassification.from_pretrained(
                source.folder, config=config, dtype=torch.float32, output_loading_info=True
            )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ClassifierError(
            f"expected a text classifier that transformers can load in {source.folder}, found "
            f"{type(error).__name__} ({_first_line(error)}): check its files."
        ) from error
    _require_usable(source, config, tokenizer)
    tokenizer.save_pretrained(folder)
    network.save_pretrained(folder)
    missing = sorted(loading["missing_keys"])
    if not missing:
        return ()
    return (f"the checkpoint lacks {', '.join(missing)}: seeded, so labels carry no meaning",)


def _is_classifier(config: PretrainedConfig) -> bool:
    return any("SequenceClassification" in name for name in config.architectures or ())


def _require_usable(source: Checkpoint, config: PretrainedConfig, tokenizer: Any) -> None:
    if not tokenizer.is_fast:
        raise ClassifierError(
            f"expected a fast tokenizer in {source.folder}, found {type(tokenizer).__name__}: "
            "save the model with a tokenizer that has a tokenizer.json."
        )
    if len(tokenizer) > config.vocab_size:
        raise ClassifierError(
            f"expected at most {config.vocab_size} tokens (vocab_size of config.json) in the "
            f"tokenizer of {source.folder}, found {len(tokenizer)}: model and tokenizer do not "
            "belong together."
        )
    if config.max_position_embeddings < MAX_LENGTH_TOKENS:
        raise ClassifierError(
            f"expected a network for at least {MAX_LENGTH_TOKENS} tokens in {source.folder}, "
            f"found max_position_embeddings {config.max_position_embeddings}: use another model."
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
