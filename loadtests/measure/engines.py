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

from loadtests.launch.server import REFUSED, cause_in
from loadtests.records.engines import EngineFacts, engine_facts
from loadtests.records.shares import percent
from loadtests.spec.experiment import EnginesSpec
from servers.confine import confined
from servers.device_curve import CurveError, curve_named
from servers.discovery import Contender
from servers.engine_facts import CurvePoint
from servers.engines import ENGINES
from servers.placement import EngineUnavailableError, Placement, placement_from

LONGEST_S = 1800.0
"""What one engine may take where the run has no budget of time: one that hangs must not keep it."""

POINT_S = 2.0
"""What a point of the curve may take where there is time: 100 calls of up to 20 ms."""

CURVE_SHARE = 0.5
"""The curve's part of the time that an engine gets; loading and the precision check take the
rest."""

_ENDED = "measuring it ended with exit code "
_REFUSED = f"{_ENDED}{REFUSED}: "


class ProfileError(RuntimeError):
    """An engine whose curve cannot be measured here; the message is one sentence."""


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
            placement = placement_from(contender.options)
            if placement.curve:  # what it stands for makes no difference to it
                placement = Placement(curve=placement.curve)
            key = contender.engine, placement
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
    if not facts.available:
        return f"{head}: unavailable: {facts.reason}"
    if facts.precision_check is None:  # it computes nothing
        return f"{head}: {facts.version}, {_at_best(facts)} by its curve"
    check = facts.precision_check
    return (
        f"{head}: {facts.version} on {facts.device_name}, {_at_best(facts)}; "
        f"{percent(check.labels_agree_ratio, 1)} of {check.n_texts} labels as in FP32, "
        f"logits within {check.max_abs_logit_difference:.2g}"
    )


def _at_best(facts: EngineFacts) -> str:
    best = max(facts.curve, key=lambda point: point.rate_rps)
    return f"at best {best.rate_rps:.0f} texts/s ({best.batch} of {best.length_tokens} tokens)"


def _measured(
    what: WantedEngine,
    bench: EngineBench,
    folder: Path,
    limit_s: float,
    say: Callable[[str], None],
) -> EngineFacts:
    if what.placement.curve:
        return _by_curve(what, bench.spec)
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


def _by_curve(what: WantedEngine, spec: EnginesSpec) -> EngineFacts:
    """The facts of a simulated device, from its curve: nothing is measured."""
    try:
        curve = curve_named(what.placement.curve)
    except CurveError as error:
        return EngineFacts(what.engine, what.placement, what.used_by, False, str(error))
    return EngineFacts(
        *(what.engine, what.placement, what.used_by, True),
        version=curve.label,
        device_name=f"simulated {curve.device}",
        curve=tuple(
            _point(curve.pass_s(batch, length), batch, length)
            for length in spec.lengths_tokens
            for batch in spec.batch_sizes
        ),
    )


def _point(pass_s: float, batch: int, length_tokens: int) -> CurvePoint:
    return CurvePoint(batch, length_tokens, pass_s * 1000, None, batch / pass_s, repeats=0)


def _command(what: WantedEngine, bench: EngineBench, folder: Path, point_s: float) -> list[str]:
    command = [*_of_engine("measure", what, bench), "--point-s", str(point_s)]
    command += ["--texts", bench.texts] if bench.texts else []
    return [*command, "--reference", str(folder / "reference.npy")]


def _run(command: Sequence[str], limit_s: float, say: Callable[[str], None]) -> str:
    """Why the command failed; empty if it did not."""
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
    return f"{_ENDED}{process.returncode}: {cause_in(said)}"


def profile_engine(
    what: WantedEngine, bench: EngineBench, out: Path, named: str, say: Callable[[str], None]
) -> None:
    """Writes the curve of an engine on these cores to the file out. named is the command that the
    file gives as its source. ProfileError says why it cannot be measured."""
    command = [*_of_engine("profile", what, bench), "--point-s", str(POINT_S), "--said", named]
    problem = _run(confined([*command, "--out", str(out)], bench.cores), math.inf, say)
    if problem:
        raise ProfileError(problem.removeprefix(_REFUSED))


def _of_engine(action: str, what: WantedEngine, bench: EngineBench) -> list[str]:
    """The arguments that `measure` and `profile` share."""
    command = [sys.executable, "-m", "servers.classifier", action]
    command += ["--model-dir", str(bench.model_dir), "--engine", what.engine]
    for name, value in asdict(what.placement).items():
        option = f"--{name.replace('_', '-')}"
        command += [option] if value is True else [option, value] if value else []
    command += ["--lengths", *map(str, bench.spec.lengths_tokens)]
    command += ["--batches", *map(str, bench.spec.batch_sizes)]
    command += ["--repeats", str(bench.spec.repeats)]
    return [*command, "--threads", str(max(1, len(bench.cores)))]
