"""Fills one folder with artefacts. Imports PyTorch: build.py comes here only on a cache miss."""

from pathlib import Path

from transformers import AutoModelForSequenceClassification, BertForSequenceClassification

from servers.classifier.corpus import Corpus, build_corpus
from servers.classifier.encoding import Encoder
from servers.classifier.engines import load_engine
from servers.classifier.errors import libraries_refuse
from servers.classifier.export import export_onnx
from servers.classifier.loading import copy_checkpoint
from servers.classifier.model_info import ModelInfo
from servers.classifier.model_sources import ModelSource, Seeded, Trained
from servers.classifier.model_specs import NetworkSpec, TrainingSpec
from servers.classifier.parity import require_parity
from servers.classifier.progress import say
from servers.classifier.training import (
    heldout_accuracy,
    one_thread,
    require_accuracy,
    seeded_network,
    train,
)
from servers.classifier.vocabulary import build_vocabulary, save_tokenizer


def make_artefacts(
    source: ModelSource, folder: Path, seed: int, training: TrainingSpec, digest: str
) -> ModelInfo:
    """Writes all but model.json into folder."""
    corpus = build_corpus(seed, training.n_training, training.n_heldout)
    if isinstance(source, Trained):
        accuracy = _make_trained(source.spec, folder, corpus, training, seed)
        info = ModelInfo(digest, source.spec.name, "trained", (), accuracy, seed)
        _export(folder)
    elif isinstance(source, Seeded):
        _make_seeded(source.spec, folder, corpus, seed)
        info = ModelInfo(digest, source.spec.name, "seeded", source.notes, None, seed)
        _export(folder)
    else:
        with libraries_refuse(
            f"a text classifier that transformers can load in {source.folder}", "check its files"
        ):
            notes = copy_checkpoint(source, folder, corpus, seed)
        with libraries_refuse(
            f"a text classifier that can be exported to ONNX in {source.folder}",
            "use another model",
        ):
            _export(folder)
        info = ModelInfo(digest, source.name, "loaded", notes, None, seed)
    for path in folder.iterdir():
        path.chmod(0o644)  # safetensors are written for their owner only; containers read them too
    return info


def _export(folder: Path) -> None:
    say("exporting to ONNX and comparing with PyTorch")
    network = AutoModelForSequenceClassification.from_pretrained(
        folder, attn_implementation="eager"
    ).eval()
    export_onnx(network, folder / "model.onnx")
    with one_thread():
        eager, exported = (load_engine(name, folder, 1) for name in ("torch", "onnxruntime"))
        require_parity(eager.infer, exported.infer, network.config.vocab_size, "the ONNX export")


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
