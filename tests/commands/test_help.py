"""Help is given at once: it imports nothing that only a measurement needs."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SLOW = {
    *("numpy", "pandas", "scipy", "pyarrow", "grpc", "tritonclient", "psutil"),
    *("torch", "transformers", "litserve", "matplotlib", "jinja2", "loadtests.run.flow"),
}


@pytest.mark.parametrize("command", ["", "run"])
def test_help_imports_nothing_slow(command: str) -> None:
    code = f"""
import sys
from study import app
try:
    app([*{command.split()!r}, "--help"])
finally:
    print(*sys.modules, file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "Usage" in done.stdout
    assert set(done.stderr.split()) & SLOW == set()
