"""Contenders in an order in which each differs from the one before in as little as possible."""

from collections.abc import Collection, Sequence
from enum import StrEnum

from analysis.read.contenders import ContenderFacts


class Change(StrEnum):
    """What differs between two stages."""

    HANDLER = "handler"
    ENGINE = "engine"
    BATCHING = "batching"
    SERVER = "server"
    EXTRA_HOP = "extra_hop"
    DEVICE = "device"
    PRECISION = "precision"
    CUDA_GRAPHS = "cuda_graphs"
    TENSORRT = "tensorrt"


CHANGES = {
    "fastapi-tuned": Change.HANDLER,
    "fastapi-onnx": Change.ENGINE,
    "litserve": Change.BATCHING,
    "triton": Change.SERVER,
    "hybrid": Change.EXTRA_HOP,
}
SEQUENCE = ("fastapi", *CHANGES)
"""The stages, each with what differs from the one before it. Variants of a stage's contender, named
after it (litserve-fp16), may take its place."""

_PLACEMENT = {
    Change.DEVICE: "cpu",
    Change.PRECISION: "fp32",
    Change.CUDA_GRAPHS: "false",
    Change.TENSORRT: "false",
}
"""Options of where an engine runs, and what holds where they are absent."""

Stage = tuple[int, ContenderFacts]
"""Position in SEQUENCE and the contender that stands there."""


def stages(contenders: Sequence[ContenderFacts], measured: Collection[str]) -> list[Stage]:
    """The stages that have a measured contender: that of the stage's name, else the variant of it
    whose engine differs least from the stage before."""
    found: list[Stage] = []
    for i, name in enumerate(SEQUENCE):
        own = [c for c in contenders if c.name in measured and _stage_name(c.name) == name]
        exact = [c for c in own if c.name == name]
        if own:
            last = found[-1][1] if found else None
            nearest = min(exact or own, key=lambda c: len(_engine_changes(last, c)) if last else 0)
            found.append((i, nearest))
    return found


def changes(before: Stage, after: Stage) -> tuple[list[Change], list[str]]:
    """What differs between two stages, and the stages missing between them."""
    (first, old), (last, new) = before, after
    missing = [
        name
        for name in SEQUENCE[first + 1 : last]
        # The stage of another engine is no gap between two contenders of the same one.
        if CHANGES[name] is not Change.ENGINE or old.engine != new.engine
    ]
    named = [CHANGES[name] for name in (*missing, SEQUENCE[last])]
    return list(dict.fromkeys([*named, *_engine_changes(old, new)])), missing


def _stage_name(contender: str) -> str | None:
    names = [name for name in SEQUENCE if f"{contender}-".startswith(f"{name}-")]
    return max(names, key=len, default=None)


def _engine_changes(before: ContenderFacts, after: ContenderFacts) -> list[Change]:
    found = [Change.ENGINE] if before.engine != after.engine else []
    return found + [
        option
        for option, usual in _PLACEMENT.items()
        if before.options.get(option, usual) != after.options.get(option, usual)
    ]
