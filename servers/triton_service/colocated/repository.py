"""Puts the co-located models into the classifier's model repository."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from tritonclient.grpc import model_config_pb2 as pb

from servers.discovery import OptionValue
from servers.placement import placement_from
from servers.triton_service.checks import ConfigError, check_repository, to_text
from servers.triton_service.colocated.sizes import SizeName, colocated_models, network_of
from servers.triton_service.models_file.config import model_config
from servers.triton_service.models_file.description import Batcher, ModelEntry, WarmUp

OPTION = "colocated_models"
"""The option of a Triton contender that names the size of co-located models; empty: none."""

MODEL_FILE = Path(__file__).with_name("model.py")


def write_colocated_models(
    repository: Path, options: Mapping[str, OptionValue], threads: int
) -> None:
    """Adds both models where options name a size; they take device, precision, batch size and
    queue delay from the classifier's options, and `threads` threads each on a CPU."""
    size = options.get(OPTION)
    if not size:
        return
    configs = [
        colocated_model_config(model, options, threads) for model in colocated_models(_size(size))
    ]
    check_repository(configs)
    for config in configs:
        version_dir = repository / config.name / "1"
        version_dir.mkdir(parents=True)
        (repository / config.name / "config.pbtxt").write_text(to_text(config), encoding="utf-8")
        shutil.copyfile(MODEL_FILE, version_dir / MODEL_FILE.name)


def colocated_model_config(
    model: ModelEntry, options: Mapping[str, OptionValue], threads: int
) -> pb.ModelConfig:
    """The model as described, its network run by PyTorch in the Python backend."""
    max_batch_size, placement = int(options["max_batch_size"]), placement_from(options)
    size, seed = network_of(model)
    changed = {
        "backend": "python",
        "max_batch_size": max_batch_size,
        "batcher": Batcher(max_queue_delay_us=int(options["max_queue_delay_us"])),
        "warm_up": tuple(WarmUp(batch_size=n) for n in sorted({1, max_batch_size})),
        "parameters": {
            "device": placement.device,
            "precision": placement.precision,
            "threads": threads,
            "seed": seed,
            "size": size,
        },
    }
    # Its instance stays one of the CPU: a Python model finds its device itself, and gets its inputs
    # in the memory of the CPU.
    return model_config(model.model_copy(update=changed))


def _size(given: OptionValue) -> SizeName:
    known: tuple[SizeName, ...] = get_args(SizeName)
    for size in known:
        if size == given:
            return size
    raise ConfigError(
        f'expected {OPTION} = "full" or "small", found {json.dumps(given)}: correct it.'
    )
