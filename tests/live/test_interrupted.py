"""Ctrl-C ends a command with a word and no traceback, wherever it falls."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from commands import reporting
from study import app

# Stopped by Ctrl-C as the second argument is imported.
STOPPED = """
import sys

stopping = sys.argv[1]

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == stopping:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Finder())
import study
sys.argv[1:] = ["report", "nowhere"]
study.main()
"""


@pytest.mark.parametrize("module", ["typer", "loadtests.launch.server", "analysis.derive"])
def test_while_modules_are_imported(module: str, root: Path) -> None:
    command = [sys.executable, "-c", STOPPED, module]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert (done.returncode, done.stderr.strip()) == (130, "Stopped.")


def test_while_a_report_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(reporting, "write_report", stop)
    done = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert (done.exit_code, done.output.strip()) == (130, "Stopped.")
