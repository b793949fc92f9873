"""Whether each contender of an experiment is available on this machine, before any is measured."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.launch.artefacts import Artefacts
from loadtests.launch.parity import check_answers, expected_answers, judge
from loadtests.launch.server import LaunchError, launched
from loadtests.wire.probe import ProbeError
from servers.discovery import Contender


@dataclass(frozen=True)
class Finding:
    """problem empty: it can be measured; startup_s None: it did not start."""

    contender: str
    startup_s: float | None
    problem: str

    def in_words(self) -> str:
        if self.startup_s is None:
            return f"{self.contender}: unavailable: {self.problem}"
        ready = f"{self.contender}: ready after {self.startup_s:.1f} s"
        return f"{ready}, but {self.problem}" if self.problem else f"{ready}, answers as expected"


def gpu_in_words(described: Mapping[str, Any] | None) -> str:
    """What Gpu.describe says, in one line; None: there is no GPU."""
    if described is None:
        return "NVML sees no GPU"
    refused = "; ".join(f"{column}: {why}" for column, why in described["refused"].items())
    telemetry = f"refused: {refused}" if refused else "complete"
    return f"{described['name']}, driver {described['driver']}, telemetry {telemetry}"


def preflight(
    contenders: Iterable[Contender],
    artefacts: Artefacts,
    cores: Sequence[int],
    tolerance: float,
) -> Iterator[Finding]:
    """Starts each contender on the server's cores, asks it the parity texts, and stops it."""
    for contender in contenders:
        with tempfile.TemporaryDirectory(prefix="study-check-") as folder:
            yield _finding(contender, artefacts, cores, tolerance, Path(folder) / "server.log")


def _finding(
    contender: Contender, artefacts: Artefacts, cores: Sequence[int], tolerance: float, log: Path
) -> Finding:
    startup_s = None
    try:
        with launched(contender, model_dir=artefacts.model_dir, cores=cores, log=log) as server:
            startup_s = server.startup_s or 0.0
            expected = expected_answers(contender, artefacts.texts)
            parity = judge(check_answers(server.address, expected), tolerance)
    except (LaunchError, ProbeError) as error:
        return Finding(contender.name, startup_s, str(error))
    wrong = f"{parity.mismatches} of {parity.checked} answers differ, e.g. {parity.example}"
    return Finding(contender.name, startup_s, wrong if parity.mismatches else "")
