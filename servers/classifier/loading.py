"""A user's checkpoint, copied into the form that every contender serves."""

import json
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
)

from servers.classifier.corpus import Corpus
from servers.classifier.encoding import Encoder
from servers.classifier.errors import ClassifierError
from servers.classifier.model_config import (
    Config,
    is_classifier,
    labels_of,
    read_config,
    usable_tokens,
)
from servers.classifier.model_sources import Checkpoint
from servers.contract import MAX_LENGTH_TOKENS, MIN_LENGTH_TOKENS

_COMPARED_TEXTS = 20
# Of every supported family and of the ONNX export. Token types are the tokenizer's guess: of one
# text alone they are all 0, which networks that have them assume, and others refuse them.
_INPUT_NAMES = ["input_ids", "attention_mask"]


def copy_checkpoint(source: Checkpoint, folder: Path, corpus: Corpus, seed: int) -> tuple[str, ...]:
    """Writes the checkpoint in single precision; the notes say what it lacked."""
    raw = read_config(source.folder)
    labels = labels_of(raw, source.folder) if is_classifier(raw) else tuple(corpus.labels)
    config = _loaded_config(raw, labels)
    tokenizer: Any = AutoTokenizer.from_pretrained(source.folder)
    _require_usable(source, config, tokenizer)
    _settle_padding(source, config, tokenizer)
    network, missing = _loaded_network(source, config, seed)
    network.save_pretrained(folder)
    _write_config(folder, labels)
    _save_tokenizer(tokenizer, folder)
    _require_same_tokens(source, folder, [message.text for message in corpus.heldout])
    if not missing:
        return ()
    return (f"the checkpoint lacks {', '.join(missing)}: seeded, so labels carry no meaning",)


def _loaded_config(raw: Config, labels: tuple[str, ...]) -> PreTrainedConfig:
    """No head but a softmax over these labels, whatever else the raw configuration says."""
    replaced = ("num_labels", "problem_type", "id2label", "label2id")
    return AutoConfig.for_model(
        **{key: value for key, value in raw.items() if key not in replaced},
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )


def _loaded_network(
    source: Checkpoint, config: PreTrainedConfig, seed: int
) -> tuple[PreTrainedModel, list[str]]:
    """The network, and the names of the weights that the checkpoint lacks."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # for a head that the checkpoint may lack
        network, loading = AutoModelForSequenceClassification.from_pretrained(
            source.folder, config=config, dtype=torch.float32, output_loading_info=True
        )
    return network, sorted(loading["missing_keys"])


def _require_usable(source: Checkpoint, config: PreTrainedConfig, tokenizer: Any) -> None:
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
    positions = config.max_position_embeddings
    usable = usable_tokens(config.model_type, positions, config.pad_token_id)
    if usable < MAX_LENGTH_TOKENS:
        raise ClassifierError(
            f"expected a network for at least {MAX_LENGTH_TOKENS} tokens in {source.folder}, "
            f"found max_position_embeddings {positions}, enough for {usable}: use another model."
        )


def _settle_padding(source: Checkpoint, config: PreTrainedConfig, tokenizer: Any) -> None:
    """Network and tokenizer agree on the token that fills a batch: the network's own, if any."""
    token_id = config.pad_token_id
    token = tokenizer.convert_ids_to_tokens(token_id) if token_id in range(len(tokenizer)) else None
    token = token or tokenizer.pad_token
    if token is None:
        raise ClassifierError(
            f"expected a padding token in {source.folder}, found neither pad_token_id in its "
            "config.json nor pad_token in its tokenizer_config.json: name one in both."
        )
    tokenizer.pad_token = token
    config.pad_token_id = tokenizer.pad_token_id


def _write_config(folder: Path, labels: tuple[str, ...]) -> None:
    """Adds the labels: save_pretrained leaves out those with default names."""
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["id2label"] = {str(index): label for index, label in enumerate(labels)}
    config["label2id"] = {label: index for index, label in enumerate(labels)}
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Padding on the right, as the shared encoder pads; the side of truncation stays the
    user's, and tokenizer.json carries it, which is all that the encoder reads."""
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.enable_truncation(
        MAX_LENGTH_TOKENS, direction=tokenizer.truncation_side
    )
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config |= {
        "padding_side": "right",
        "truncation_side": tokenizer.truncation_side,
        "model_input_names": _INPUT_NAMES,
    }
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _require_same_tokens(source: Checkpoint, folder: Path, texts: list[str]) -> None:
    """What a tokenizer's class does beyond its tokenizer.json, only some contenders would do."""
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    encoder = Encoder(folder)
    for text in texts[:_COMPARED_TEXTS]:
        for max_length in (MIN_LENGTH_TOKENS, MAX_LENGTH_TOKENS):
            expected = tokenizer(text, truncation=True, max_length=max_length).input_ids
            if encoder.encode([text], max_length).input_ids[0].tolist() != expected:
                raise ClassifierError(
                    f"expected a tokenizer in {source.folder} that works from tokenizer.json "
                    f"alone, found that {type(tokenizer).__name__} gives other tokens for "
                    f"{text!r}: save the model with a tokenizer that has no steps of its own."
                )
