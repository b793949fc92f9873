"""`study profile`: what is refused before anything is measured."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from study import app


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["replay"], "expected an engine that computes (torch, torch-compiled, onnxruntime)"),
        (["torch", "--out", "curve.json"], "expected a file .toml in --out, found curve.json"),
        (["torch", "--batch", "8", "--batch", "8"], "expected at least two batch sizes, found 8"),
    ],
)
def test_what_cannot_be_profiled_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["profile", *arguments])
    assert done.exit_code == 2
    assert done.stderr.startswith(f"study: {sentence}")
    assert list(tmp_path.iterdir()) == []
