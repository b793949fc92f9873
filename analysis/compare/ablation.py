"""Contenders in an order in which each differs from the one before in as little as possible."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from analysis.read.contenders import ContenderFacts


class Change(StrEnum):
    """What differs between two contenders."""

    HANDLER = "handler"
    COMPILE = "compile"
    ENGINE = "engine"
    BATCHING = "batching"
    SERVER = "server"
    PROTOCOL = "protocol"
    EXTRA_HOP = "extra_hop"
    TOKENIZER_PLACE = "tokenizer_place"
    BINARY_TENSORS = "binary_tensors"
    PATCHES = "patches"
    DEVICE = "device"
    PRECISION = "precision"
    CUDA_GRAPHS = "cuda_graphs"
    TENSORRT = "tensorrt"


CHANGES = {
    "fastapi-tuned": Change.HANDLER,
    "fastapi-compiled": Change.COMPILE,
    "fastapi-onnx": Change.ENGINE,
    "fastapi-batched": Change.BATCHING,
    "triton-http": Change.SERVER,
    "triton": Change.PROTOCOL,
    "hybrid": Change.EXTRA_HOP,
}
SEQUENCE = ("fastapi", *CHANGES)
"""The stages, each with what differs from the one before it. Variants of a stage's contender, named
after it (triton-fp16), may take its place."""

BESIDE = {
    ("triton-unbatched", "triton"): Change.BATCHING,
    ("triton", "triton-one-model"): Change.TOKENIZER_PLACE,
    ("triton-http", "triton-http-binary"): Change.BINARY_TENSORS,
    ("litserve", "litserve-patched"): Change.PATCHES,
}
"""Pairs beside the sequence that differ in one thing only."""

_NAMED = (*SEQUENCE, *(name for pair in BESIDE for name in pair))

_PLACEMENT = {
    Change.DEVICE: "cpu",
    Change.PRECISION: "fp32",
    Change.CUDA_GRAPHS: "false",
    Change.TENSORRT: "false",
}
"""Options of where an engine runs, and what holds where they are absent."""


@dataclass(frozen=True)
class AblationStep:
    """Two contenders, what differs between them, and the stages missing between them."""

    before: ContenderFacts
    after: ContenderFacts
    changes: tuple[Change, ...]
    missing: tuple[str, ...] = ()


_Stage = tuple[int, ContenderFacts]
"""Position in SEQUENCE and the contender that stands there."""


def steps(contenders: Sequence[ContenderFacts], measured: Collection[str]) -> list[AblationStep]:
    """The steps of the sequence, two of which a missing stage merges; then the pairs beside it."""
    known = {c.name: c for c in contenders if c.name in measured}
    return [
        *(_step(*pair) for pair in pairwise(_stages(list(known.values())))),
        *(
            AblationStep(known[before], known[after], (change,))
            for (before, after), change in BESIDE.items()
            if before in known and after in known
        ),
    ]


def _stages(measured: Sequence[ContenderFacts]) -> list[_Stage]:
    """The stages that have a contender: that of the stage's name, else the variant of it whose
    engine differs least from the stage before."""
    found: list[_Stage] = []
    for i, name in enumerate(SEQUENCE):
        own = [c for c in measured if _stage_name(c.name) == name]
        exact = [c for c in own if c.name == name]
        if own:
            last = found[-1][1] if found else None
            nearest = min(exact or own, key=lambda c: len(_engine_changes(last, c)) if last else 0)
            found.append((i, nearest))
    return found


def _step(before: _Stage, after: _Stage) -> AblationStep:
    (first, old), (last, new) = before, after
    missing = tuple(
        name
        for name in SEQUENCE[first + 1 : last]
        # The stage of another engine is no gap between two contenders of the same one.
        if CHANGES[name] not in (Change.COMPILE, Change.ENGINE) or old.engine != new.engine
    )
    named = [*(CHANGES[name] for name in (*missing, SEQUENCE[last])), *_engine_changes(old, new)]
    return AblationStep(old, new, tuple(dict.fromkeys(named)), missing)


def _stage_name(contender: str) -> str | None:
    names = [name for name in _NAMED if f"{contender}-".startswith(f"{name}-")]
    return max(names, key=len, default=None)


def _engine_changes(before: ContenderFacts, after: ContenderFacts) -> list[Change]:
    found = [_engine_change(before.engine, after.engine)] if before.engine != after.engine else []
    return found + [
        option
        for option, usual in _PLACEMENT.items()
        if before.options.get(option, usual) != after.options.get(option, usual)
    ]


def _engine_change(before: str, after: str) -> Change:
    return Change.COMPILE if {before, after} == {"torch", "torch-compiled"} else Change.ENGINE
