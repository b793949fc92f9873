"""Does Triton do what the corrected statements say? Asks the real server and its Python client.

`python -m loadtests.selfcheck.triton_behaviour FILE.json` starts the embedded Triton on loopback,
over tiny models, for about a minute, and writes what it found. It ends with 1 where something was
not as expected. The medians of two checks are those of the machine as it is: leave it alone.
"""

import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from loadtests.records.behaviour import CheckFinding
from loadtests.selfcheck.findings_file import asked_file, write_findings
from loadtests.selfcheck.triton_bench import bench
from loadtests.selfcheck.triton_checks import CHECKS
from servers.triton_service.plain_paths import InstallationError, plain_folder
from servers.triton_service.process import TritonError

PROGRAM = "loadtests.selfcheck.triton_behaviour"


def look() -> tuple[str, list[CheckFinding]]:
    """The server's version, and what each check found."""
    with (
        tempfile.TemporaryDirectory(prefix="study-behaviour-") as folder,
        plain_folder(Path(folder)) as work,
        bench(work) as running,
    ):
        version = str(running.client.get_server_metadata().version)
        return version, [check.run(running) for check in CHECKS]


def main(arguments: Sequence[str] | None = None) -> int:
    path = asked_file(__doc__, arguments)
    try:
        version, findings = look()
    except (InstallationError, TritonError) as error:
        print(error, file=sys.stderr)
        return 2
    written = {
        "triton": version,
        "tritonclient": metadata.version("tritonclient"),
        "findings": [found.model_dump() for found in findings],
    }
    write_findings(path, PROGRAM, written)
    for found in findings:
        mark = "as expected" if found.as_expected else "NOT AS EXPECTED"
        numbers = ", ".join(map(str, found.statements))
        print(f"{numbers}: {mark}: {found.expected}; found: {found.found}")
    return 0 if all(found.as_expected for found in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
