"""Contenders in an order in which each differs from the one before in as little as possible."""

from collections.abc import Collection, Sequence

from analysis.read.contenders import ContenderFacts

LADDER = (
    ("fastapi", ""),
    ("fastapi-tuned", "handler"),
    ("fastapi-onnx", "engine"),
    ("litserve", "batching"),
    ("triton", "server"),
    ("hybrid", "extra hop"),
)
"""Each rung with what differs from the one before it. Variants of a rung's contender, named after
it (litserve-fp16), may take its place."""

_PLACEMENT = {
    "device": ("device", "cpu"),
    "precision": ("precision", "fp32"),
    "cuda_graphs": ("CUDA graphs", "false"),
    "tensorrt": ("TensorRT", "false"),
}
"""Options of where an engine runs: their names in the report, and what holds where they are
absent."""

Rung = tuple[int, ContenderFacts]
"""Position in LADDER and the contender that stands there."""


def rungs(contenders: Sequence[ContenderFacts], measured: Collection[str]) -> list[Rung]:
    """The rungs that have a measured contender: that of the rung's name, else the variant of it
    whose engine differs least from the rung before."""
    found: list[Rung] = []
    for i, (name, _) in enumerate(LADDER):
        own = [c for c in contenders if c.name in measured and _rung_name(c.name) == name]
        exact = [c for c in own if c.name == name]
        if own:
            last = found[-1][1] if found else None
            nearest = min(exact or own, key=lambda c: len(_engine_changes(last, c)) if last else 0)
            found.append((i, nearest))
    return found


def changes(before: Rung, after: Rung) -> tuple[list[str], list[str]]:
    """What differs between two rungs, and the rungs missing between them."""
    (first, old), (last, new) = before, after
    missing = [
        (name, change)
        for name, change in LADDER[first + 1 : last]
        # The rung of another engine is no gap between two contenders of the same one.
        if change != "engine" or old.engine != new.engine
    ]
    named = [change for _, change in missing] + [LADDER[last][1]]
    return list(dict.fromkeys([*named, *_engine_changes(old, new)])), [name for name, _ in missing]


def _rung_name(contender: str) -> str | None:
    names = [name for name, _ in LADDER if f"{contender}-".startswith(f"{name}-")]
    return max(names, key=len, default=None)


def _engine_changes(before: ContenderFacts, after: ContenderFacts) -> list[str]:
    found = ["engine"] if before.engine != after.engine else []
    return found + [
        word
        for option, (word, usual) in _PLACEMENT.items()
        if before.options.get(option, usual) != after.options.get(option, usual)
    ]
