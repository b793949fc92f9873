"""traffic.jsonl: the texts of a load with the reference answers that contenders must give."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from servers.classifier.artefacts import (
    cached_folder,
    digest_of,
    digest_of_files,
    versions_of,
)
from servers.classifier.encoding import Encoded, Encoder, decode, read_labels, softmax
from servers.classifier.engines import Engine, load_engine
from servers.classifier.model_info import read_model_info
from servers.classifier.progress import tracked
from servers.classifier.text_files import read_texts
from servers.classifier.texts import generated_texts
from servers.contract import MAX_LENGTH_TOKENS
from servers.storable import storable_json

_BATCH_TEXTS = 32
_MADE_BY = ("traffic", "encoding", "torch_engine")


@dataclass(frozen=True)
class TrafficText:
    """One text; n_tokens after truncation; label and confidence are the reference answer, margin
    is what its confidence is above that of the label that comes second."""

    text_id: int
    text: str
    n_tokens: int
    label: str
    confidence: float
    margin: float


@dataclass(frozen=True)
class TrafficFile:
    path: str
    digest: str
    source: str
    n_texts: int


def build_traffic(
    model_dir: Path, cache: Path, seed: int, texts_path: Path | None = None
) -> TrafficFile:
    """Writes or finds traffic.jsonl under cache. ClassifierError when texts_path or model_dir
    cannot be used."""
    info = read_model_info(model_dir)
    texts = read_texts(texts_path) if texts_path else generated_texts(seed, info.seed)
    code = [Path(__file__).parent / f"{module}.py" for module in _MADE_BY]
    digest = digest_of(
        {
            "model": info.digest,
            "texts": texts,
            "code": digest_of_files(code),
            "versions": versions_of("torch", "transformers", "tokenizers"),
        }
    )

    def make(folder: Path) -> None:
        # All cores: on one, the base model took over two minutes of a run's time budget.
        engine = load_engine("torch", model_dir, threads=os.cpu_count() or 1)
        answers = reference_answers(texts, Encoder(model_dir), engine, read_labels(model_dir))
        rows = (storable_json(asdict(answer)) for answer in answers)
        (folder / "traffic.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")

    folder = cached_folder(cache, f"traffic-{digest}", make)
    source = f"file {texts_path.name}" if texts_path else f"generated from seed {seed}"
    return TrafficFile(str(folder / "traffic.jsonl"), digest, source, len(texts))


def reference_answers(
    texts: Sequence[str], encoder: Encoder, engine: Engine, labels: Sequence[str]
) -> list[TrafficText]:
    """The answer to each text alone, in the order of texts: rows of a batch have equal length,
    so that no padding is involved."""
    alone = [encoder.encode([text], MAX_LENGTH_TOKENS) for text in texts]
    answers: dict[int, TrafficText] = {}
    for batch in tracked(_equal_length_batches(alone), "computing the reference answers"):
        input_ids = np.concatenate([alone[text_id].input_ids for text_id in batch])
        logits = engine.infer(input_ids, np.ones_like(input_ids))
        best_last = np.sort(softmax(logits), axis=-1)[:, -2:]
        margins = (best_last[:, -1] - best_last[:, 0]).tolist()
        for text_id, prediction, margin in zip(batch, decode(logits, labels), margins, strict=True):
            answers[text_id] = TrafficText(
                text_id,
                texts[text_id],
                input_ids.shape[1],
                prediction.label,
                prediction.confidence,
                margin,
            )
    return [answers[text_id] for text_id in range(len(texts))]


def _equal_length_batches(alone: Sequence[Encoded]) -> list[list[int]]:
    def length(text_id: int) -> int:
        return int(alone[text_id].lengths[0])

    batches = []
    for _, group in groupby(sorted(range(len(alone)), key=length), key=length):
        text_ids = list(group)
        batches += [text_ids[i : i + _BATCH_TEXTS] for i in range(0, len(text_ids), _BATCH_TEXTS)]
    return batches
