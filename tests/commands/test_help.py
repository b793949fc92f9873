"""Help is given at once, in full phrases: it imports nothing that only a measurement needs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from study import app

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


COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
PARAMETERS = [
    (name, str(parameter.name), str(getattr(parameter, "help", "")))
    for name, command in COMMANDS.items()
    for parameter in command.params
]
FRAGMENT = r"(Of|Its|Their|Each|How|E\.g\.|Else|The target's:)\b"


@pytest.mark.parametrize(("command", "option", "said"), PARAMETERS)
def test_every_option_says_what_it_is_in_a_phrase_that_stands_alone(
    command: str, option: str, said: str
) -> None:
    assert said.endswith("."), (command, option)
    assert len(said.split()) >= 3
    assert not re.match(FRAGMENT, said)
