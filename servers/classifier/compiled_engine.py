"""The network in PyTorch, compiled ahead of time."""

import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from servers.classifier.compiled_network import (
    AOTINDUCTOR_FILE,
    compiled_network,
    load_compiled,
    logits_of,
)
from servers.classifier.torch_engine import PRECISIONS
from servers.engines import EngineName
from servers.placement import CPU, EngineUnavailableError, Placement


class CompiledTorchEngine:
    """made_by says which compiler made what it runs; precision and device are those of its
    logits."""

    name: EngineName = "torch-compiled"

    def __init__(self, model_dir: Path, threads: int, placement: Placement = CPU) -> None:
        if placement != CPU:
            raise EngineUnavailableError(
                f"expected fp32 on a CPU for the engine torch-compiled, found {placement}: choose "
                'another engine, set precision = "fp32", or set device = "cpu".'
            )
        torch.set_num_threads(threads)
        path = compiled_network(model_dir)
        self.made_by = "AOTInductor" if path.name == AOTINDUCTOR_FILE else "trace and freeze"
        self._run = load_compiled(path, max(1, len(os.sched_getaffinity(0)) // threads))
        logits = self._run(
            torch.ones((1, 8), dtype=torch.int64), torch.ones((1, 8), dtype=torch.int64)
        )
        self.precision = PRECISIONS[logits.dtype]
        self.device: str = logits.device.type

    def infer(
        self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        return logits_of(self._run, input_ids, attention_mask)
