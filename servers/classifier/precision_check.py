"""What precision an engine really computes in: read from its weights, and seen in its logits."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from servers.classifier.encoding import Encoder
from servers.classifier.engines import Engine, load_engine
from servers.classifier.progress import tracked
from servers.contract import LENGTH_BUCKETS, MAX_LENGTH_TOKENS
from servers.engine_facts import PrecisionCheck
from servers.placement import Placement

REFERENCE = "torch fp32 on cpu"

# No power of two: an engine that pads to a fixed batch must cut its own rows off again.
_BATCH_TEXTS = 24

FP16_SHOWS_RATIO = 2**-17.5
"""Share of the largest logit by which half precision moves at least one of many: the geometric
mean of the unit roundoffs of FP16 (2^-11) and FP32 (2^-24), IEEE 754-2019 table 3.5."""


def reference_logits(
    model_dir: Path, threads: int, texts: Sequence[str], kept: Path | None
) -> NDArray[np.float32]:
    """float32[texts, labels] of REFERENCE, read from the file `kept` where it is there, and left
    in it: several engines of one model are proved against the same."""
    if kept and kept.exists():
        stored: NDArray[np.float32] = np.load(kept)
        return stored
    engine = load_engine("torch", model_dir, threads)
    logits = _logits_of(engine, Encoder(model_dir), texts, None, f"answers of {REFERENCE}")
    if kept:
        np.save(kept, logits)
    return logits


def check_precision(
    engine: Engine, encoder: Encoder, texts: Sequence[str], reference: NDArray[np.float32]
) -> PrecisionCheck:
    """Compares engine, fed as a batching server feeds it, with reference[texts, labels]."""
    found = _logits_of(engine, encoder, texts, LENGTH_BUCKETS, "precision check")
    agree = found.argmax(axis=-1) == reference.argmax(axis=-1)
    return PrecisionCheck(
        precision_found=engine.precision,
        n_texts=len(texts),
        labels_agree_ratio=float(agree.mean()),
        max_abs_logit_difference=float(np.abs(found - reference).max()),
        max_abs_logit=float(np.abs(reference).max()),
        reference=REFERENCE,
    )


def problem_of(check: PrecisionCheck, engine: Engine, placement: Placement) -> str | None:
    """Why the engine is not what placement asks for, in one sentence; None: it is."""
    asked = (placement.device, placement.precision)
    if (engine.device, check.precision_found) != asked:
        return (
            f"expected {' and '.join(asked)}, found an engine loaded on {engine.device} with "
            f"{check.precision_found} weights: it must not be measured under that name."
        )
    if not np.isfinite(check.max_abs_logit_difference):
        return (
            f"expected finite logits in {placement.precision}, found others: this network "
            "overflows in that precision; use fp32."
        )
    shows = FP16_SHOWS_RATIO * check.max_abs_logit
    if placement.precision == "fp16" and check.max_abs_logit_difference < shows:
        return (
            f"expected logits that differ from FP32's by {shows:.1g} or more in fp16, found "
            f"{check.max_abs_logit_difference:.1g} at most: the engine computes in FP32."
        )
    return None


def _logits_of(
    engine: Engine,
    encoder: Encoder,
    texts: Sequence[str],
    buckets: Sequence[int] | None,
    what: str,
) -> NDArray[np.float32]:
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    batches = [order[i : i + _BATCH_TEXTS] for i in range(0, len(order), _BATCH_TEXTS)]
    rows: dict[int, NDArray[np.float32]] = {}
    for batch in tracked(batches, what):
        encoded = encoder.encode([texts[index] for index in batch], MAX_LENGTH_TOKENS, buckets)
        logits = engine.infer(encoded.input_ids, encoded.attention_mask)
        rows |= zip(batch, logits, strict=True)
    return np.stack([rows[index] for index in range(len(texts))])
