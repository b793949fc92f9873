"""What one answer costs in arithmetic, counted from the architecture."""

import json
from pathlib import Path

_SIZES = ("num_hidden_layers", "hidden_size", "intermediate_size")


def flops_per_request(model_dir: Path, length_tokens: int) -> float | None:
    """Floating-point operations for one text padded to length_tokens; None where config.json
    does not name the sizes of a BERT-like encoder.

    Two operations a multiply-add of the encoder's matrix products, for each layer and token
    8 d^2 (query, key, value, output) + 4 d f (the two of the feed-forward part) + 4 L d (scores
    and weighted sum), with width d, intermediate width f and length L. This is the count of Kaplan
    et al. 2020 (arXiv 2001.08361, section 2.1, table 1), but for an encoder: every token attends to
    all L, and the weighted sum counts. Embeddings, normalisation, softmax, pooler and classifier
    are left out.
    """
    config = json.loads((model_dir / "config.json").read_text(encoding="utf-8"))
    if not all(isinstance(config.get(size), int) for size in _SIZES):
        return None
    layers, width, intermediate = (config[size] for size in _SIZES)
    per_token = 8 * width**2 + 4 * width * intermediate + 4 * length_tokens * width
    return float(layers * length_tokens * per_token)
