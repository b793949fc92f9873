"""How fast the server's cores are while a slice runs: a program beside the server times small fixed
pieces of work, which take 1 % of a core.

On a virtual machine a core's speed changes by a tenth within seconds, with what neighbours do to
its caches and its other hardware thread. What a request costs changes as the pieces do: of 66
slices of three contenders, the CPU of a request and the time of the pieces together had a
correlation of 0.93, and the ratio of two contenders varied half as much once that of the pieces
was taken out of it. The piece of loadtests.host.speed, made before a slice, says nothing of it
(0.1): SHA-256 is done by a unit of its own.
"""

import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

import numpy as np
import psutil

from loadtests.host.process_group import stop
from servers.confine import confined

EVERY_S = 0.012
"""One piece at a time, each a tenth of a millisecond: a request that meets one waits no longer."""

Piece = Callable[[], object]


def pieces() -> dict[str, Piece]:
    """By name: an interpreter's work, a matrix product, and a copy larger than the core's cache."""
    text = json.dumps({"text": "where is my order " * 10, "values": list(range(60))})
    matrix = np.random.default_rng(0).random((96, 96), dtype=np.float32)
    memory = np.zeros(1 << 20, dtype=np.uint8)
    return {
        "json": lambda: [json.loads(text) for _ in range(8)],
        "matrix": lambda: matrix @ matrix @ matrix,
        "copy": memory.copy,
    }


class SpeedSampler:
    """Runs for as long as its block; on the server's cores, of which there may be none here."""

    def __init__(self, cores: Sequence[int]) -> None:
        self._cores = cores
        self._process: psutil.Popen | None = None

    def __enter__(self) -> "SpeedSampler":
        self._folder = TemporaryDirectory(prefix="study-speed-")
        path = Path(self._folder.name, "samples")
        path.touch()
        self._samples = path.open(encoding="ascii")
        if self._cores:
            command = [sys.executable, "-m", "loadtests.host.speed_sampler", str(path)]
            self._process = psutil.Popen(confined(command, self._cores), start_new_session=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process:
            stop(self._process, within_s=3.0)
        self._samples.close()
        self._folder.cleanup()

    def restart(self) -> None:
        """What was sampled so far is forgotten."""
        self._samples.seek(0, 2)

    def work_us(self) -> dict[str, float]:
        """By piece: the geometric mean of the CPU time that it took since restart; empty: none."""
        found: dict[str, list[float]] = {}
        for line in self._samples.read().splitlines():
            name, _, taken_ns = line.partition(" ")
            with suppress(ValueError):  # a line that is being written
                found.setdefault(name, []).append(math.log(int(taken_ns) / 1000))
        return {name: math.exp(sum(logs) / len(logs)) for name, logs in found.items()}


def sample(path: Path, todo: Mapping[str, Piece]) -> None:
    """Times one piece after the other, for ever. CPU time: that the server has the core at the
    moment is no slowness."""
    with path.open("a", buffering=1, encoding="ascii") as out:
        due_s = time.monotonic()
        while True:
            for name, piece in todo.items():
                due_s = max(due_s + EVERY_S, time.monotonic())
                time.sleep(max(0.0, due_s - time.monotonic()))
                begun_ns = time.thread_time_ns()
                piece()
                out.write(f"{name} {time.thread_time_ns() - begun_ns}\n")


if __name__ == "__main__":
    sample(Path(sys.argv[1]), pieces())
