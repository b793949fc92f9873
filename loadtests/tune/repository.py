"""The configuration files that a contender's model repository has with given options."""

from collections.abc import Sequence
from pathlib import Path

from loadtests.records.tuning import Settings
from servers.discovery import Contender
from servers.launch_args import LaunchArgs
from servers.triton_service.checks import to_text
from servers.triton_service.config import model_configs
from servers.triton_service.embedded import repository_spec
from servers.triton_service.installation import byte_tensors_work

CONFIG = "config.pbtxt"


def write_configs(
    target: Path, contender: Contender, settings: Settings, model_dir: Path, cores: Sequence[int]
) -> list[Path]:
    """A config.pbtxt for each model, in a folder of its name below target, as a start of the
    contender on these cores writes them."""
    args = LaunchArgs(
        contender=contender.name,
        engine=contender.engine,
        host="127.0.0.1",
        port=contender.port,
        extra_ports={},
        model_dir=model_dir,
        work_dir=target,
        threads=max(1, len(cores)),
        options={**contender.options, **settings},
    )
    written = []
    for config in model_configs(repository_spec(args, byte_tensors_work())):
        path = target / config.name / CONFIG
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(to_text(config), encoding="utf-8")
        written.append(path)
    return written
