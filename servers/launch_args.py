"""The one command line that every server folder understands."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from servers.discovery import ContenderEngine, OptionValue
from servers.engines import ENGINES

READY_WITHIN_S = 300.0
"""What a contender may take to answer. On a GPU four instances read PyTorch and capture graphs on
shared cores, and TensorRT builds its engines at the start. One that hangs is given up all the
same."""

RESTARTS_FILE = "restarts.txt"
"""In a contender's work_dir: a line for each time that it started a part of itself again."""


@dataclass(frozen=True)
class LaunchArgs:
    """How one server process is started.

    model_dir holds the classifier's artefacts; threads is the number of cores it may use;
    work_dir is an empty folder of its own for generated files, removed by the launcher.
    """

    contender: str
    engine: ContenderEngine
    host: str
    port: int
    extra_ports: Mapping[str, int]
    model_dir: Path
    work_dir: Path
    threads: int
    options: Mapping[str, OptionValue]

    def to_argv(self) -> list[str]:
        ports = [f"--extra-port={name}={port}" for name, port in self.extra_ports.items()]
        return [
            f"--contender={self.contender}",
            f"--engine={self.engine}",
            f"--host={self.host}",
            f"--port={self.port}",
            *ports,
            f"--model-dir={self.model_dir}",
            f"--work-dir={self.work_dir}",
            f"--threads={self.threads}",
            f"--options={json.dumps(dict(self.options))}",
        ]


def parse_launch_args(argv: Sequence[str] | None = None) -> LaunchArgs:
    """Reads what LaunchArgs.to_argv wrote (argv None: the process's own arguments)."""
    parser = argparse.ArgumentParser(description="Start one contender of this server folder.")
    parser.add_argument("--contender", required=True)
    parser.add_argument("--engine", choices=(*ENGINES, "none"), required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--extra-port", action="append", default=[], metavar="NAME=PORT")
    parser.add_argument("--model-dir", type=Path, required=True)
    parser.add_argument("--work-dir", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--options", type=json.loads, default={}, metavar="JSON")
    given = parser.parse_args(argv)
    ports = dict(entry.split("=", 1) for entry in given.extra_port)
    return LaunchArgs(
        contender=given.contender,
        engine=given.engine,
        host=given.host,
        port=given.port,
        extra_ports={name: int(port) for name, port in ports.items()},
        model_dir=given.model_dir,
        work_dir=given.work_dir,
        threads=given.threads,
        options=given.options,
    )


def refuse_to_start(reason: object) -> NoReturn:
    """Ends this process with one sentence on stderr and exit code 2: what was asked for cannot be
    had here."""
    print(reason, file=sys.stderr)
    sys.exit(2)
