"""The engines behind one interface; each is imported only when it is asked for."""

from importlib import import_module
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from servers.engines import ENGINES, ENGINES_IN_WORDS, EngineName
from servers.placement import CPU, EngineUnavailableError, Placement


class Engine(Protocol):
    """Runs the network. precision ("fp32", ...) and device ("cpu", ...) are read from what was
    loaded, never from what was asked for."""

    @property
    def name(self) -> EngineName: ...

    @property
    def precision(self) -> str: ...

    @property
    def device(self) -> str: ...

    def infer(
        self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """logits float32[batch, labels] of int64[batch, length] inputs."""
        ...


def load_engine(
    name: EngineName, model_dir: Path, threads: int, placement: Placement = CPU
) -> Engine:
    """Loads the artefacts of model_dir on `threads` cores; ValueError on an unknown engine,
    EngineUnavailableError when it cannot run as placed here: there is no falling back."""
    if name not in ENGINES:
        raise ValueError(f"expected the engine {ENGINES_IN_WORDS}, found {name!r}.")
    if placement.curve and not ENGINES[name].simulated:
        raise EngineUnavailableError(
            f'expected the engine replay for curve = "{placement.curve}", found {name}: set the '
            'engine to replay, or curve to "".'
        )
    module, _, made_by = ENGINES[name].made_by.partition(":")
    engine: Engine = getattr(import_module(module), made_by)(model_dir, threads, placement)
    return engine
