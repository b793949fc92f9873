"""Builds what the containers mount: the model, the traffic, both native Triton repositories and the
hosts of the Locust file's classes.

Run by the service `prepare`; a second run finds the model and the traffic in its cache.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from loadtests.launch.artefacts import ArtefactError, prepare
from loadtests.spec.experiment import Experiment
from servers.discovery import discover
from servers.engines import ENGINES
from servers.triton_service import repository

MAX_BATCH_SIZES = {"native-cpu": 32, "native-tensorrt": 64}
"""As the contenders of the embedded study have them: default.toml on a CPU, gpu.toml on a GPU."""

FORMS = tuple(MAX_BATCH_SIZES)


def link(artefacts: Path, model_dir: Path, traffic: Path) -> None:
    """Gives the model and the traffic, whose paths hold digests, names that commands can use."""
    for name, target in (("model", model_dir), ("traffic.jsonl", traffic)):
        unfinished = artefacts / f".{name}"
        unfinished.unlink(missing_ok=True)
        unfinished.symlink_to(os.path.relpath(target, artefacts))
        unfinished.replace(artefacts / name)


def write_hosts(path: Path) -> None:
    """For --config-users of Locust: the service of each contender, whose name is its host's."""
    entries = [
        {
            "user_class_name": contender.user_class,
            "host": f"http://{contender.name}:8000"
            if contender.protocol == "http-json"
            else f"grpc://{contender.name}:8001",
        }
        for contender in discover().values()
    ]
    path.write_text(json.dumps(entries), encoding="utf-8")


def write_repositories(repositories: Path, model_dir: Path, threads: int) -> int:
    """Fills one folder for each native form; returns the exit code of the first that fails."""
    for form, max_batch_size in MAX_BATCH_SIZES.items():
        target = repositories / form
        _empty(target)
        where = [f"--model-dir={model_dir}", f"--target={target}", f"--form={form}"]
        sizes = [f"--threads={threads}", f"--max-batch-size={max_batch_size}"]
        code = repository.main([*where, *sizes])
        if code:
            return code
    return 0


def _empty(folder: Path) -> None:
    """Empties a folder without removing it: in a container it is the mount point of a volume."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python compose/prepare.py", description=__doc__)
    made.add_argument("--model", required=True, metavar="small|base|PATH|HUB_ID")
    made.add_argument("--threads", type=int, required=True, help="of Triton's classifier on a CPU")
    made.add_argument(
        "--artefacts", type=Path, required=True, help="gets model, traffic.jsonl, locust-hosts.json"
    )
    made.add_argument("--repositories", type=Path, required=True, help=f"gets {', '.join(FORMS)}")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    given = parser().parse_args(argv)
    seed = Experiment.model_fields["seed"].default
    try:
        made = prepare(given.model, None, seed, given.artefacts / "cache", engines=ENGINES)
    except ArtefactError as error:
        print(f"prepare: {error}", file=sys.stderr)
        return 2
    link(given.artefacts, made.model_dir, made.traffic_path)
    write_hosts(given.artefacts / "locust-hosts.json")
    return write_repositories(given.repositories, made.model_dir, given.threads)


if __name__ == "__main__":
    sys.exit(main())
