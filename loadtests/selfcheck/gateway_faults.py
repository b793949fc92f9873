"""What callers of the gateway see when something behind it fails, and how long until it is over.

`python -m loadtests.selfcheck.gateway_faults FILE.json` starts `hybrid` with its Triton for each
fault, on loopback, sends a light, steady load and does the fault: about two minutes. It ends with 1
where a gateway did not recover by itself.
"""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from loadtests.host.cores import available_cores
from loadtests.launch.artefacts import ArtefactError, Artefacts, prepare
from loadtests.launch.server import HOST, LaunchError, RunningServer, free_ports, launched
from loadtests.records.faults import FaultFound
from loadtests.records.seed import SEED
from loadtests.selfcheck.findings_file import asked_file, write_findings
from loadtests.selfcheck.steady_calls import SteadyCalls, recovered_s
from servers.discovery import OptionValue, discover

PROGRAM = "loadtests.selfcheck.gateway_faults"
RATE_RPS = 40.0
BEFORE_S, AFTER_S = 2.0, 12.0
STOPPED_S = 5.0
BURST = 200
FEW_IN_PROGRESS = 16
CACHE = Path(".cache") / "artefacts"


@dataclass(frozen=True)
class Fault:
    """does: returns how long it held the fault; options: of the gateway, for this fault."""

    name: str
    does: Callable[[RunningServer, SteadyCalls, Sequence[psutil.Process]], float]
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    needs_redis: bool = False


def _process(server: RunningServer, name: str) -> psutil.Process:
    assert server.pid is not None  # the gateway is started here
    family = psutil.Process(server.pid).children(recursive=True)
    return next(each for each in family if each.name() == name)


def _nothing(*_: object) -> float:
    return 0.0


def _kill_triton(server: RunningServer, *_: object) -> float:
    _process(server, "tritonserver").kill()
    return 0.0


def _stop_triton(server: RunningServer, *_: object) -> float:
    triton = _process(server, "tritonserver")
    triton.suspend()
    time.sleep(STOPPED_S)
    triton.resume()
    return STOPPED_S


def _kill_stub(server: RunningServer, *_: object) -> float:
    _process(server, "triton_python_backend_stub").kill()
    return 0.0


def _fill_queue(_: RunningServer, calls: SteadyCalls, *__: object) -> float:
    calls.burst(BURST)
    return 0.0


def _kill_redis(_: RunningServer, __: SteadyCalls, beside: Sequence[psutil.Process]) -> float:
    for each in beside:
        each.send_signal(signal.SIGKILL)
    return 0.0


FAULTS = (
    Fault("none", _nothing),
    Fault("Triton killed", _kill_triton),
    Fault(f"Triton stopped for {STOPPED_S:g} s", _stop_triton),
    Fault("stub of the Python backend killed", _kill_stub),
    Fault(
        f"{BURST} requests at once, room for {FEW_IN_PROGRESS}",
        _fill_queue,
        {"max_in_progress": FEW_IN_PROGRESS},
    ),
    Fault("Redis killed", _kill_redis, {"rate_limits": "100000/second"}, needs_redis=True),
)


def look(fault: Fault, artefacts: Artefacts, folder: Path) -> FaultFound:
    """One fault under load; LaunchError where the gateway does not start."""
    contender = discover()["hybrid"]
    body = json.dumps({"text": artefacts.texts[0].text}).encode()
    with (
        _redis(fault) as (beside, options),
        launched(
            replace(contender, options={**contender.options, **fault.options, **options}),
            model_dir=artefacts.model_dir,
            cores=available_cores(),
            log=folder / "gateway.log",
        ) as server,
    ):
        with SteadyCalls(server.address, body, RATE_RPS) as calls:
            time.sleep(BEFORE_S)
            began_s = calls.now_s()
            lasted_s = fault.does(server, calls, beside)
            time.sleep(AFTER_S)
        seen = [call for call in calls.calls if call.due_s >= began_s]
    statuses = Counter(call.status for call in seen)
    return FaultFound(
        fault=fault.name,
        lasted_s=lasted_s,
        n_calls=len(seen),
        statuses=dict(statuses.most_common()),
        longest_s=max(call.took_s for call in seen),
        recovered_s=recovered_s(seen, began_s + lasted_s),
    )


@contextmanager
def _redis(fault: Fault) -> Iterator[tuple[Sequence[psutil.Process], Mapping[str, OptionValue]]]:
    """A Redis for faults that need one, and the option that leads to it."""
    if not fault.needs_redis:
        yield (), {}
        return
    port = free_ports(()).main
    command = ["redis-server", "--bind", HOST, "--port", str(port), "--save", ""]
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield [process], {"limits_storage": f"redis://{HOST}:{port}/0"}
    finally:
        process.kill()
        process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    path = asked_file(__doc__, arguments)
    found: list[FaultFound] = []
    try:
        artefacts = prepare("small", None, SEED, CACHE)
        with tempfile.TemporaryDirectory(prefix="study-faults-") as folder:
            for fault in FAULTS:
                if fault.needs_redis and shutil.which("redis-server") is None:
                    print(f"{fault.name}: left out, because redis-server is not on the PATH")
                    continue
                found.append(look(fault, artefacts, Path(folder)))
                print(said(found[-1]), flush=True)
    except (ArtefactError, LaunchError) as error:
        print(error, file=sys.stderr)
        return 2
    faults = [each.model_dump() for each in found]
    write_findings(path, PROGRAM, {"rate_rps": RATE_RPS, "faults": faults})
    return 0 if all(each.recovered_s is not None for each in found) else 1


def said(found: FaultFound) -> str:
    statuses = ", ".join(f"{n} x {status}" for status, n in found.statuses.items())
    recovered = "not recovered" if found.recovered_s is None else f"{found.recovered_s:.1f} s"
    return f"{found.fault}: {statuses}; longest {found.longest_s:.2f} s; recovered: {recovered}"


if __name__ == "__main__":
    sys.exit(main())
