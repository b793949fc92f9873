"""What the self-checks that write one file have in common: their argument, and that file."""

import argparse
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loadtests.host.cores import available_cores
from loadtests.records.atomic import replacing
from loadtests.records.trials import write_json
from loadtests.run.manifest import describe_measurement


def asked_file(description: str | None, arguments: Sequence[str] | None) -> Path:
    """The file that the command line names."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("file", type=Path, metavar="FILE.json", help="File to write.")
    path: Path = parser.parse_args(arguments).file
    return path


def write_findings(
    path: Path, module: str, found: Mapping[str, Any], arguments: Sequence[str] = ()
) -> None:
    """What was found, after what describes the measurement. module: the program that wrote it;
    arguments: what followed on its command line, by default the file."""
    cores = {"server": available_cores(), "load": available_cores()}
    command = shlex.join(["python", "-m", module, *(arguments or (path.name,))])
    record = {**describe_measurement(command, cores, datetime.now(UTC)), **found}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished:
        write_json(unfinished, record)
