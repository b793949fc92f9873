"""Contenders in an order in which each differs from the one before in as little as possible."""

from collections.abc import Collection, Sequence

from analysis.read.contenders import ContenderFacts

SEQUENCE = (
    ("fastapi", ""),
    ("fastapi-tuned", "handler"),
    ("fastapi-onnx", "engine"),
    ("litserve", "batching"),
    ("triton", "server"),
    ("hybrid", "extra hop"),
)
"""Each stage with what differs from the one before it. Variants of a stage's contender, named after
it (litserve-fp16), may take its place."""

_PLACEMENT = {
    "device": ("device", "cpu"),
    "precision": ("precision", "fp32"),
    "cuda_graphs": ("CUDA graphs", "false"),
    "tensorrt": ("TensorRT", "false"),
}
"""Options of where an engine runs: their names in the report, and what holds where they are
absent."""

Stage = tuple[int, ContenderFacts]
"""Position in SEQUENCE and the contender that stands there."""


def stages(contenders: Sequence[ContenderFacts], measured: Collection[str]) -> list[Stage]:
    """The stages that have a measured contender: that of the stage's name, else the variant of it
    whose engine differs least from the stage before."""
    found: list[Stage] = []
    for i, (name, _) in enumerate(SEQUENCE):
        own = [c for c in contenders if c.name in measured and _stage_name(c.name) == name]
        exact = [c for c in own if c.name == name]
        if own:
            last = found[-1][1] if found else None
            nearest = min(exact or own, key=lambda c: len(_engine_changes(last, c)) if last else 0)
            found.append((i, nearest))
    return found


def changes(before: Stage, after: Stage) -> tuple[list[str], list[str]]:
    """What differs between two stages, and the stages missing between them."""
    (first, old), (last, new) = before, after
    missing = [
        (name, change)
        for name, change in SEQUENCE[first + 1 : last]
        # The stage of another engine is no gap between two contenders of the same one.
        if change != "engine" or old.engine != new.engine
    ]
    named = [change for _, change in missing] + [SEQUENCE[last][1]]
    return list(dict.fromkeys([*named, *_engine_changes(old, new)])), [name for name, _ in missing]


def _stage_name(contender: str) -> str | None:
    names = [name for name, _ in SEQUENCE if f"{contender}-".startswith(f"{name}-")]
    return max(names, key=len, default=None)


def _engine_changes(before: ContenderFacts, after: ContenderFacts) -> list[str]:
    found = ["engine"] if before.engine != after.engine else []
    return found + [
        word
        for option, (word, usual) in _PLACEMENT.items()
        if before.options.get(option, usual) != after.options.get(option, usual)
    ]
