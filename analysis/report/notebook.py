"""Executes a notebook on one run and saves it with its outputs.

`python -m analysis.report.notebook RUN [NAME ...]` executes those of the folder notebooks, all by
default, and writes each beside its script.
"""

# ruff: noqa: E402 - see IRIs below

import atexit
import os
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

# jsonschema, which nbformat imports, compiles a grammar of IRIs wherever it finds this package: two
# seconds of every command that writes a report, and nothing here reads an IRI.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # as if it were not installed

import jupytext
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from loadtests.records.atomic import replacing
from loadtests.records.manifest import read_manifest
from loadtests.records.stored import RecordError

NOTEBOOKS = Path(__file__).parent / "notebooks"
STUDY = "study"
CELL_TIMEOUT_S = 300
_MOST_FOLDER_BYTES = 80
"""A socket's name has 107 bytes; its end is ours."""
_ELSEWHERE = ("/tmp", "/var/tmp", "/dev/shm")


class NotebookError(RecordError):
    """The notebook did not run to its end on a run."""


class _Kernel(AsyncKernelManager):
    """A kernel in the running interpreter, whatever kernels are installed, behind no TCP port."""

    transport = "ipc"

    @property
    def kernel_spec(self) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")


def execute_notebook(run_dir: Path, output_path: Path, name: str = STUDY) -> Path:
    """Runs a notebook on run_dir and writes it, with outputs, to output_path (.ipynb).

    Raises RecordError where run_dir has no readable manifest, NotebookError where a cell fails.
    """
    read_manifest(run_dir)
    notebook = jupytext.read(NOTEBOOKS / f"{name}.py")
    # Its sockets would lie in the working directory, which may be read-only or shared by another
    # report's kernel, and whose modules it would take for this project's.
    with tempfile.TemporaryDirectory(prefix="k", dir=_short_parent()) as folder:
        kernel = type("_KernelOfItsOwn", (_Kernel,), {"ip": f"{folder}/ipc"})
        client = NotebookClient(
            notebook,
            timeout=CELL_TIMEOUT_S,
            kernel_manager_class=kernel,
            resources={"metadata": {"path": folder}},
        )
        try:
            _execute(client, {**os.environ, "STUDY_RUN": str(run_dir.resolve())})
        except CellExecutionError as error:
            raise NotebookError(
                f"the notebook failed on {run_dir}: {error.ename}: {error.evalue}"
            ) from error
    with replacing(output_path) as unfinished:
        unfinished.write_text(jupytext.writes(notebook, fmt="ipynb") + "\n", encoding="utf-8")
    return output_path


def names() -> list[str]:
    """Of every notebook, the one of the study first."""
    found = sorted(path.stem for path in NOTEBOOKS.glob("[!_]*.py"))
    return sorted(found, key=lambda name: name != STUDY)


def _short_parent() -> str:
    """The folder for temporary files, or where its name is too long for a socket's another one."""
    usual = tempfile.gettempdir()
    fitting = (
        folder
        for folder in (usual, *_ELSEWHERE)
        if len(os.fsencode(folder)) <= _MOST_FOLDER_BYTES and os.access(folder, os.W_OK | os.X_OK)
    )
    return next(fitting, usual)


def _execute(client: NotebookClient, env: Mapping[str, str]) -> None:
    """In a thread of its own: in the main one nbclient takes Ctrl-C for itself, ends the kernel,
    and fails of that in one of many ways."""
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(client.execute, env=env)
        try:
            running.result()
        except KeyboardInterrupt:
            while not running.done():
                kernel = getattr(getattr(client.km, "provisioner", None), "process", None)
                if kernel:
                    kernel.kill()
                wait([running], timeout=0.1)
            atexit.unregister(client._cleanup_kernel)  # nothing is left for it, and it says so
            raise


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("expected RUN: python -m analysis.report.notebook results/RUN [NAME ...]")
    for each in sys.argv[2:] or names():
        execute_notebook(Path(sys.argv[1]), NOTEBOOKS / f"{each}.ipynb", each)
