"""Serves a repository that was generated for the embedded Triton, on loopback, until a signal."""

import argparse
import os
import sys
import tempfile
from itertools import count
from pathlib import Path

from servers.surroundings import child_environment
from servers.triton_service.embedded import START_ERRORS, UNAVAILABLE
from servers.triton_service.plain_paths import plain_folder, plain_path
from servers.triton_service.process import LOOPBACK, Ports, TritonServer, exit_on_signals
from servers.triton_service.supervisor import Supervisor


def serve(repository: Path, port: int) -> None:
    """The models of the repository over gRPC; what ends by itself is started again."""
    numbers = count(1)
    with tempfile.TemporaryDirectory() as temporary, plain_folder(Path(temporary)) as work:
        placed = plain_path(repository.absolute(), work / "links")

        def make() -> TritonServer:
            return TritonServer(placed, work / f"triton-{next(numbers)}", Ports(port))

        with Supervisor(make, work / "restarts") as supervisor:
            print(f"triton ready: gRPC on {LOOPBACK}:{port}", flush=True)
            supervisor.wait()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m servers.triton_service.models_file",
        description="Serve what `study models FILE --out FOLDER --embedded` has written.",
    )
    parser.add_argument("folder", type=Path, help="the model repository")
    parser.add_argument("--port", type=int, default=8001, help="for gRPC (default 8001)")
    given = parser.parse_args()
    if not given.folder.is_dir():
        print(f"expected a folder at {given.folder}, found none: name another.", file=sys.stderr)
        sys.exit(2)
    os.environ.update(child_environment(os.environ))
    exit_on_signals()
    try:
        serve(given.folder, given.port)
    except (*START_ERRORS, *UNAVAILABLE) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
