"""Fixtures shared by all tests."""

import fcntl
import gc
import math
import os
import re
import runpy
import signal
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import psutil
import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from commands.common import MACHINE_LOCK_VARIABLE
from loadtests.launch.artefacts import Artefacts, prepare
from loadtests.launch.server import Ports, free_ports
from loadtests.records.trials import MachineState
from loadtests.spec.experiment import Experiment
from servers.discovery import EngineName, discover
from servers.launch_args import LaunchArgs
from servers.surroundings import child_environment, writable_cache
from servers.triton_service.plain_paths import plain_folder

# What the suite asks is on this machine, whatever proxy the environment names.
urllib.request.install_opener(urllib.request.build_opener(urllib.request.ProxyHandler({})))

ROOT = Path(__file__).parent.parent
START_DEADLINE_S = 60.0


@pytest.fixture
def plain_tmp_path(tmp_path: Path) -> Iterator[Path]:
    """One that Triton can work in, also where TMPDIR is none: contenders get such a one, too."""
    with plain_folder(tmp_path) as folder:
        yield folder


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session", autouse=True)
def _machine_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The suite's studies wait for no other, and let no other wait."""
    lock = tmp_path_factory.mktemp("machine") / "lock"
    os.environ[MACHINE_LOCK_VARIABLE] = str(lock)


@pytest.fixture(scope="session")
def study_seed() -> int:
    experiment = ROOT / "loadtests" / "experiments" / "default.toml"
    return int(tomllib.loads(experiment.read_text(encoding="utf-8"))["seed"])


@pytest.fixture(scope="session")
def study_cache() -> Path:
    """The study's own cache: the suite and the study build the small model once."""
    return writable_cache(ROOT / ".cache" / "artefacts")


@pytest.fixture(scope="session")
def artefacts(study_seed: int, study_cache: Path) -> Artefacts:
    """One of the suite's processes trains the small model, the others wait and find it."""
    study_cache.mkdir(parents=True, exist_ok=True)
    with (study_cache / ".suite.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return prepare("small", None, study_seed, study_cache)


@pytest.fixture(scope="session")
def model_dir(artefacts: Artefacts) -> Path:
    return artefacts.model_dir


@pytest.fixture(scope="session")
def traffic(artefacts: Artefacts) -> list[dict[str, Any]]:
    """Texts with n_tokens and the reference answers."""
    return [asdict(text) for text in artefacts.texts]


@dataclass(frozen=True)
class StartedContender:
    """A contender's process as started, ready or not."""

    process: subprocess.Popen[bytes]
    ports: Ports
    log: Path

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")

    def when(self, is_ready: Callable[[], bool]) -> "StartedContender":
        """Itself, once it is ready."""
        end_s = time.monotonic() + START_DEADLINE_S
        while not is_ready():
            assert self.process.poll() is None, self.log_text()[-4000:]
            assert time.monotonic() < end_s, self.log_text()[-4000:]
            time.sleep(0.05)
        return self


def _program(
    name: str,
    model_dir: Path,
    folder: Path,
    ports: Ports | None,
    engine: EngineName | None,
    options: Mapping[str, Any],
    host: str = "127.0.0.1",
) -> tuple[str, LaunchArgs]:
    """A contender's module and what it is started with, its files in folder."""
    contender = discover()[name].variant(name, options, engine)
    ports = ports or free_ports(contender.extra_ports)
    args = LaunchArgs(
        contender=contender.name,
        engine=contender.engine,
        host=host,
        port=ports.main,
        extra_ports=dict(ports.extra),
        model_dir=model_dir,
        work_dir=folder / "work",
        threads=1,
        options=contender.options,
    )
    args.work_dir.mkdir()
    return f"servers.{contender.server}", args


@pytest.fixture(scope="session")
def start_contender(
    model_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., StartedContender]]:
    """Starts a contender as the launcher would; what still runs at the end is stopped."""
    started: list[StartedContender] = []

    def start(
        name: str,
        *,
        model_dir: Path = model_dir,
        ports: Ports | None = None,
        engine: EngineName | None = None,
        folder: Path | None = None,
        **options: Any,
    ) -> StartedContender:
        folder = folder or tmp_path_factory.mktemp(name)
        program, args = _program(name, model_dir, folder, ports, engine, options)
        log = folder / "server.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", program, *args.to_argv()],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                start_new_session=True,
            )
        used = Ports(args.port, dict(args.extra_ports))
        started.append(StartedContender(process, used, log))
        return started[-1]

    yield start
    left = [running.process for running in started if running.process.poll() is None]
    for process in left:
        process.terminate()
    for process in left:
        process.wait(30)


@pytest.fixture(scope="session")
def shared_triton(start_contender: Callable[..., StartedContender]) -> StartedContender:
    """One Triton for all tests without side effects: the classifier and co-located models."""
    started = start_contender("triton", colocated_models="small")
    return started.when(lambda: "triton ready:" in started.log_text())


@pytest.fixture(scope="session")
def shared_hybrid(start_contender: Callable[..., StartedContender]) -> StartedContender:
    """One gateway for all tests without lasting side effects."""
    started = start_contender("hybrid", deadline_ms=1500)
    health = f"http://127.0.0.1:{started.ports.main}/health/ready"

    def is_ready() -> bool:
        try:
            with urllib.request.urlopen(health, timeout=30) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    return started.when(is_ready)


@pytest.fixture
def refusal(
    model_dir: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Callable[..., tuple[int, str]]]:
    """Runs a contender's program in this process, which must refuse: the code it ends with, and
    its sentence."""

    def run(
        name: str,
        *,
        model_dir: Path = model_dir,
        ports: Ports | None = None,
        host: str = "127.0.0.1",
        **options: Any,
    ) -> tuple[int, str]:
        folder = tmp_path_factory.mktemp(name)
        program, args = _program(name, model_dir, folder, ports, None, options, host)
        monkeypatch.setattr(sys, "argv", [program, *args.to_argv()])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / program.replace(".", "/")), run_name="__main__")
        code, said = ended.value.code, capsys.readouterr().err.rstrip("\n")
        return (1, code) if isinstance(code, str) else (int(code or 0), said)

    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def machine_left_alone() -> Iterator[None]:
    """Trials in this process find their cores quiet: the suite's own workers use them too."""

    def quiet(_: object, cores: Mapping[str, Sequence[int]], *__: float) -> dict[str, float | None]:
        return {side: 0.0 if cores.get(side) else None for side in ("server", "load")}

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("loadtests.measure.replay.foreign_shares", quiet)
        monkeypatch.setattr("loadtests.measure.machine.MachineState", lambda **_: MachineState())
        yield


@pytest.fixture(scope="session")
def run_unheard() -> Callable[..., Path]:
    """Runs an experiment on real servers; nobody is told and no report written. Its folder.

    left_alone: no slice is made again for what others do on its cores, such as the suite's workers.
    """
    from loadtests.measure.replay import replay
    from loadtests.measure.tools import Tools
    from loadtests.run.flow import run_study
    from loadtests.run.options import RunOptions

    def run(
        experiment: Experiment,
        artefacts: Artefacts,
        results: Path,
        heard: Any = None,
        left_alone: bool = False,
        **tools: Any,
    ) -> Path:
        def undisturbed(*trial: Any) -> Any:
            attempt = replay(*trial)
            lag_ms = None if attempt.lag_p99_ms is None else min(attempt.lag_p99_ms, 0.1)
            quiet = {"foreign_share": {"server": None, "load": None}, "machine": MachineState()}
            return replace(attempt, lag_p99_ms=lag_ms, **quiet)

        if left_alone:
            tools["replay"] = undisturbed
        heard = heard or Mock()
        edges = (results, heard.say, lambda _: nullcontext(heard), lambda _: nullcontext())
        prepared = Tools(*edges, prepare=lambda *_: artefacts, **tools)
        return run_study(
            RunOptions(lambda: experiment, results, "pytest"), prepared, None, heard.reported
        )

    return run


@pytest.fixture(scope="module")
def brief_curves() -> Iterator[None]:
    """Simulates an eighth of the requests: for tests of what is made of load curves."""
    from analysis.predict import load_curve

    whole = load_curve.predict_at

    def an_eighth(prepared: Any, rate_rps: float, n_requests: int, seed: int) -> Any:
        return whole(prepared, rate_rps, n_requests // 8, seed)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(load_curve, "predict_at", an_eighth)
        yield


@pytest.fixture(scope="session")
def alive() -> Callable[[list[psutil.Process]], list[psutil.Process]]:
    """Those of the given processes that run; a zombie only waits for init to take note of it."""

    def is_alive(process: psutil.Process) -> bool:
        try:
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return lambda processes: [process for process in processes if is_alive(process)]


@pytest.fixture
def family_of() -> Callable[[int], list[psutil.Process]]:
    """The processes started below one, as they are now."""

    def family(pid: int) -> list[psutil.Process]:
        return list(psutil.Process(pid).children(recursive=True))

    return family


@pytest.fixture(autouse=True)
def _restore_signals() -> object:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may reach a model hub
# PyTorch's threads wait for each other, and where other tests have their cores, most of the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.update(child_environment(os.environ))
# Hundreds of children import this project: compiled once, whatever the caller's shell says.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


# jsonschema, which nbformat imports, compiles a grammar of IRIs wherever it finds this package:
# seconds in each process, and nothing here reads an IRI.
sys.modules["rfc3987_syntax"] = None


def pytest_configure() -> None:
    """Started in the background of a script, the suite would hand down that Ctrl-C is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What shares a running server bears its name, as the contract's tests do."""
    for name in ("shared_triton", "shared_hybrid"):
        if name in metafunc.fixturenames:
            ids = [f"<server {name}>"]
            metafunc.parametrize(name, [name], indirect=True, scope="session", ids=ids)


def _scope_of(nodeid: str) -> str:
    """What one process runs: the tests that share a server, or those of a file."""
    server = re.search("<server .*?>", nodeid)
    return server[0] if server else nodeid.partition("::")[0]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts servers or a study comes first, so that no process is left with it at the end.
    The analysis, whose tests share synthetic runs, comes last: to the process that begins there."""

    def is_short(item: pytest.Item) -> bool:
        fixtures = getattr(item, "fixturenames", ())
        return not (item.get_closest_marker("live") or "artefacts" in fixtures)

    scopes = {scope: k for k, scope in enumerate(_scope_of(item.nodeid) for item in items)}
    items.sort(key=lambda item: -scopes[_scope_of(item.nodeid)] if is_short(item) else -math.inf)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Imports make a million objects that all stay: looking for garbage there costs seconds."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


class _ByServerOrFile(LoadScopeScheduling):
    """One process takes all tests that share a running server, so that each is started once. Of
    several processes one begins with the last tests, which compute, while others wait for load."""

    def _split_scope(self, nodeid: str) -> str:
        return _scope_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        if node is self.nodes[-1] is not self.nodes[0]:
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    config.option.loadscopereorder = False  # as sorted above, not by the number of tests
    return _ByServerOrFile(config, log)
