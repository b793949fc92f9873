"""Asks the classifier, in its own process, for the model and the traffic of a study.

In its own process because loading torch here would cost memory and threads beside the load.
"""

import json
import math
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.wire.texts import TrafficText, read_traffic


class ArtefactError(RuntimeError):
    """The model or the traffic could not be made; the message is the classifier's sentence."""


@dataclass(frozen=True)
class Artefacts:
    """model and traffic are what the manifest records about them."""

    model_dir: Path
    traffic_path: Path
    texts: list[TrafficText]
    model: Mapping[str, Any]
    traffic: Mapping[str, Any]


def prepare(
    model: str,
    texts: str | None,
    seed: int,
    cache: Path,
    until_s: float = math.inf,
    engines: Collection[str] = (),
) -> Artefacts:
    """Builds, or finds in the cache, everything the load and contenders with these engines need,
    before until_s on the clock of time.monotonic."""
    common = ["--cache", str(cache), "--seed", str(seed)]
    built = _classifier(until_s, "build", "--model", model, *common)
    model_dir = Path(built.pop("model_dir"))
    if "torch-compiled" in engines:
        _classifier(until_s, "compile", "--model-dir", str(model_dir))
    given = ["--texts", texts] if texts else []
    traffic = _classifier(until_s, "traffic", "--model-dir", str(model_dir), *common, *given)
    traffic_path = Path(traffic.pop("path"))
    if "replay" in engines:
        kept = "--model-dir", str(model_dir), "--traffic", str(traffic_path)
        _classifier(until_s, "answers", *kept)
    return Artefacts(model_dir, traffic_path, read_traffic(traffic_path), built, traffic)


def _classifier(until_s: float, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "servers.classifier", *arguments]
    left_s = None if math.isinf(until_s) else max(0.0, until_s - time.monotonic())
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=left_s,
        )
    except subprocess.TimeoutExpired as error:
        raise ArtefactError(
            f"`{' '.join(command[2:4])}` was stopped after the {left_s:.0f} s that the time "
            "budget left it: give more time; what it finished before is in the cache."
        ) from error
    if done.returncode:
        raise ArtefactError(
            f"`{' '.join(command[2:4])}` stopped with exit code {done.returncode}: "
            "what it printed above says what to correct."
        )
    result: dict[str, Any] = json.loads(done.stdout)
    return result
