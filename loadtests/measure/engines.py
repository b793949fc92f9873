"""Every engine that the contenders run, measured alone on the server's cores.

Each in a child process: loading torch here would cost memory and threads beside the load, and an
engine that crashes must not end the run.
"""

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Timer

from loadtests.launch.server import cause_in
from loadtests.records.engines import EngineFacts, engine_facts
from loadtests.records.shares import percent
from loadtests.spec.experiment import EnginesSpec
from servers.confine import confined
from servers.discovery import Contender
from servers.engines import ENGINES
from servers.placement import EngineUnavailableError, Placement, placement_from

LONGEST_S = 1800.0
"""What one engine may take where the run has no budget of time: one that hangs must not keep it."""

POINT_S = 2.0
"""What a point of the curve may take where there is time: 100 calls of up to 20 ms."""

CURVE_SHARE = 0.5
"""The curve's part of the time that an engine gets; loading and the precision check take the
rest."""


@dataclass(frozen=True)
class WantedEngine:
    """An engine in one placement, and the contenders that run it so."""

    engine: str
    placement: Placement
    used_by: tuple[str, ...]


@dataclass(frozen=True)
class EngineBench:
    """Where engines are measured, and how: texts None means the model's held-out messages; left_s
    tells at any moment how long they may still take."""

    spec: EnginesSpec
    model_dir: Path
    cores: Sequence[int]
    texts: str | None = None
    left_s: Callable[[], float] = lambda: math.inf


def wanted_engines(contenders: Iterable[Contender]) -> list[WantedEngine]:
    """Every distinct engine and placement, in the order of the contenders."""
    users: dict[tuple[str, Placement], tuple[str, ...]] = {}
    for contender in contenders:
        if contender.engine not in ENGINES:
            continue
        # One that names a place which no engine has says so itself as it starts.
        with suppress(EngineUnavailableError):
            key = contender.engine, placement_from(contender.options)
            users[key] = (*users.get(key, ()), contender.name)
    return [WantedEngine(*key, used_by) for key, used_by in users.items()]


def measured_engines(
    wanted: Sequence[WantedEngine], bench: EngineBench, say: Callable[[str], None]
) -> Iterator[EngineFacts]:
    """The facts of each wanted engine; one that is unavailable, or fails, has the reason.

    say hears the lines that the measuring process writes.
    """
    # The answers that precision is proved against are computed once for all engines.
    with tempfile.TemporaryDirectory(prefix="study-engines-") as folder:
        for index, what in enumerate(wanted):
            each_s = bench.left_s() / (len(wanted) - index)
            yield _measured(what, bench, Path(folder), each_s, say)


def in_words(facts: EngineFacts) -> str:
    """One line: which engine, where, for whom, and what it does or why it is unavailable."""
    head = f"{facts.engine} on {facts.placement} (for {', '.join(facts.used_by)})"
    if not facts.available or facts.precision_check is None:
        return f"{head}: unavailable: {facts.reason}"
    best = max(facts.curve, key=lambda point: point.rate_rps)
    check = facts.precision_check
    return (
        f"{head}: {facts.version} on {facts.device_name}, at best {best.rate_rps:.0f} texts/s "
        f"({best.batch} of {best.length_tokens} tokens); {percent(check.labels_agree_ratio, 1)} "
        f"of {check.n_texts} labels as in FP32, logits within "
        f"{check.max_abs_logit_difference:.2g}"
    )


def _measured(
    what: WantedEngine,
    bench: EngineBench,
    folder: Path,
    limit_s: float,
    say: Callable[[str], None],
) -> EngineFacts:
    out = folder / "facts.json"
    out.unlink(missing_ok=True)
    problem = "the budget of time left no room for it."
    if limit_s > 0:
        n_points = len(bench.spec.lengths_tokens) * len(bench.spec.batch_sizes)
        point_s = min(POINT_S, CURVE_SHARE * limit_s / n_points)
        command = _command(what, bench, folder, point_s)
        problem = _run(confined([*command, "--out", str(out)], bench.cores), limit_s, say)
    if problem:
        return EngineFacts(what.engine, what.placement, what.used_by, False, problem)
    found = json.loads(out.read_text(encoding="utf-8"))
    return engine_facts({**found, "used_by": what.used_by})


def _command(what: WantedEngine, bench: EngineBench, folder: Path, point_s: float) -> list[str]:
    command = [sys.executable, "-m", "servers.classifier", "measure"]
    command += ["--model-dir", str(bench.model_dir), "--engine", what.engine]
    for name, value in asdict(what.placement).items():
        option = f"--{name.replace('_', '-')}"
        command += [option] if value is True else [option, value] if value else []
    command += ["--lengths", *map(str, bench.spec.lengths_tokens)]
    command += ["--batches", *map(str, bench.spec.batch_sizes)]
    command += ["--repeats", str(bench.spec.repeats), "--point-s", str(point_s)]
    command += ["--threads", str(max(1, len(bench.cores)))]
    command += ["--texts", bench.texts] if bench.texts else []
    return [*command, "--reference", str(folder / "reference.npy")]


def _run(command: Sequence[str], limit_s: float, say: Callable[[str], None]) -> str:
    """Why the command did not end well; empty when it did."""
    said, was_cut_off = list[str](), Event()
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # what ONNX Runtime has to say about its libraries
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    ) as process:

        def cut_off() -> None:
            was_cut_off.set()
            process.kill()

        limit = Timer(min(limit_s, LONGEST_S), cut_off)
        limit.start()
        try:
            assert process.stderr is not None
            for line in filter(None, map(str.strip, process.stderr)):
                said.append(line)
                say(line)
        except BaseException:
            process.kill()
            raise
        finally:
            limit.cancel()
    if process.returncode == 0:
        return ""
    if was_cut_off.is_set():
        return "measuring it was cut off when the time for it was used up."
    return f"measuring it ended with exit code {process.returncode}: {cause_in(said)}"
