"""Keeps one contender running for a person: its URL, a curl line, until Ctrl-C."""

import shlex
import tempfile
import time
from pathlib import Path

from rich.console import Console

from loadtests.host.cores import available_cores
from loadtests.launch.artefacts import Artefacts
from loadtests.launch.server import CANARY_TEXT, Ports, RunningServer, busy_port, launched
from loadtests.wire.formats import OWN_WIRES, BinaryWire, JsonWire
from servers.discovery import Contender

HIGHEST_PORT = 65_535


class ServeError(RuntimeError):
    """A contender that cannot be served as asked."""


def default_ports(contender: Contender, port: int | None) -> Ports:
    """Those of its server.toml, or those beside the port given; ServeError where one of them is no
    port."""
    ports = _ports_beside(contender, contender.port if port is None else port)
    wrong = [each for each in (ports.main, *ports.extra.values()) if not 1 <= each <= HIGHEST_PORT]
    if wrong:
        raise ServeError(
            f"expected ports of 1 to {HIGHEST_PORT} for {contender.name}, found {wrong[0]}: "
            "give another --port."
        )
    return ports


def _ports_beside(contender: Contender, main: int) -> Ports:
    if contender.protocol == "http-json":
        return Ports(main, {name: main + 1 + k for k, name in enumerate(contender.extra_ports)})
    customary = {"metrics": main + 1}  # Triton's: 8001 and 8002
    others = [name for name in contender.extra_ports if name not in customary]
    extra = {name: customary[name] for name in contender.extra_ports if name in customary}
    return Ports(main, extra | {name: main + 2 + k for k, name in enumerate(others)})


def curl_line(server: RunningServer) -> str | None:
    """A command that classifies one text, to paste into a shell; None: there is none for gRPC."""
    wire = server.address.wire
    if isinstance(wire, BinaryWire):
        wire = OWN_WIRES["kserve-json"]  # which that server understands as well
    if not isinstance(wire, JsonWire):
        return None
    url, body = server.address.url + wire.path, wire.encode(CANARY_TEXT).decode()
    return f"curl -s --noproxy '*' {url} -H 'content-type: application/json' -d {shlex.quote(body)}"


def serve_until_stopped(
    contender: Contender, artefacts: Artefacts, port: int | None, console: Console
) -> None:
    """Starts the contender, says how to reach it, and waits for Ctrl-C or its exit."""
    ports = default_ports(contender, port)
    busy = busy_port(ports)
    if busy is not None:
        raise ServeError(
            f"expected port {busy} to be free, found somebody listening on it: "
            "stop that program or give another --port."
        )
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "server.log"
        log.touch()
        console.print(f"Starting {contender.name}")
        try:
            with launched(
                contender,
                model_dir=artefacts.model_dir,
                cores=available_cores(),
                log=log,
                ports=ports,
            ) as server:
                console.print(f"{contender.name} is ready at {server.address.url}", soft_wrap=True)
                if line := curl_line(server):
                    console.print(line, soft_wrap=True, highlight=False, markup=False)
                console.print("Ctrl-C stops it")
                n_said = 0
                while server.alive():
                    said = server.restarts()[n_said:]
                    for line in said:
                        console.print(line, soft_wrap=True, highlight=False, markup=False)
                    n_said += len(said)
                    time.sleep(0.2)
                tail = "\n".join(server.log_tail())
                raise ServeError(f"{contender.name} exited by itself; its log ends:\n{tail}")
        except KeyboardInterrupt:
            console.print("stopped")
