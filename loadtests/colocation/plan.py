"""What a measurement of co-location asks for, in which order, and what it leaves."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from servers.discovery import Contender, OptionValue
from servers.engines import Device, EngineName, Precision
from servers.triton_service.colocated.repository import OPTION
from servers.triton_service.colocated.sizes import NAMES, SizeName

CLASSIFIER = "classifier"
"""Triton's own name for the network of the contender `triton`, behind its tokenizer."""

MODELS = (CLASSIFIER, *NAMES)

WARMUP_S = 1.0

Group = tuple[str, ...]
"""The models that are driven at the same time, in the order of MODELS."""


@dataclass(frozen=True)
class ColocationSpec:
    """callers: of each model; None: engine and size follow from the device, see below."""

    device: Device
    precision: Precision
    engine: EngineName | None
    colocated_models: SizeName | None
    seconds: float
    callers: int
    repeats: int
    pairs: bool
    seed: int

    @property
    def size(self) -> SizeName:
        """A core takes a second for one image of ResNet-50: on a CPU the small models stand in."""
        return self.colocated_models or ("full" if self.device == "cuda" else "small")

    def contender(self, triton: Contender) -> Contender:
        """The contender `triton`, on the device, with the co-located models in its repository."""
        engine = self.engine or ("torch" if self.device == "cuda" else None)
        options: dict[str, OptionValue] = {
            **{"device": self.device, "precision": self.precision},
            OPTION: self.size,
        }
        if self.device == "cuda" and engine == "torch":
            options["cuda_graphs"] = True  # as in the study of a GPU: the classifier at its best
        return triton.variant("triton", options, engine)


def groups(pairs: bool) -> list[Group]:
    """Each model alone, each two of them where pairs is true, and all together."""
    sizes = (1, 2, 3) if pairs else (1, 3)
    return [group for size in sizes for group in combinations(MODELS, size)]


def planned(spec: ColocationSpec) -> list[tuple[int, Group]]:
    """Block and group of each measurement; every block has all groups in an order of its own,
    so that a slow spell of the machine does not fall on one of them alone."""
    found = groups(spec.pairs)
    return [
        (block, found[k])
        for block in range(1, spec.repeats + 1)
        for k in np.random.default_rng((spec.seed, block)).permutation(len(found))
    ]


@dataclass(frozen=True)
class ColocationMeasurement:
    """One measurement; its rows are in folder, one folder a model, beside telemetry.parquet.

    window_s is the steady state that all clients of the group share; client_cpu_s the CPU
    seconds of each client in it, client_core the core it was kept on; null: not sampled.
    """

    block: int
    order: int
    group: Group
    window_s: float
    client_cpu_s: Mapping[str, float | None]
    client_core: Mapping[str, int]
    server_cpu_s: float | None
    folder: str


def common_window(
    starts_s: Sequence[float], driven_s: float, seconds: float
) -> tuple[float, float] | None:
    """Start and length of the steady state that clients share, on their clock; None where it is
    shorter than half of seconds.

    driven_s is how long each client sends from its start, its warm-up included.
    """
    start_s = max(starts_s) + WARMUP_S
    length_s = min(min(starts_s) + driven_s - start_s, seconds)
    return (start_s, length_s) if length_s >= seconds / 2 else None


def facts_of_colocated_models(log: str) -> list[dict[str, Any]]:
    """What co-located models said of themselves at loading: weights, precision, device."""
    mark = "colocated_model "
    lines = (line for line in log.splitlines() if line.startswith(mark))
    return sorted((json.loads(line.removeprefix(mark)) for line in lines), key=lambda f: f["model"])
