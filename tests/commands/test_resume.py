"""`study run --resume` of a folder that is damaged, or somebody else's."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from loadtests.records.stored import SCHEMA_VERSION
from study import app


@pytest.mark.parametrize("option", ["--model", "--texts"])
def test_what_a_run_keeps_cannot_be_changed_by_resuming_it(option: str, tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["run", "--resume", str(tmp_path), option, "base"])
    assert ended.exit_code == 2
    assert "expected no --model and no --texts beside --resume" in ended.stderr


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        ("[]", "manifest.json: all of it: Input should be an object"),
        ("{}", "has schema version None"),
        ('{"experiment": 1}', "experiment: Input should be an object"),
        ("{}", "name is missing"),
        ('{"run_id": "a\\nb"}', "run_id: String should match pattern"),
    ],
)
def test_a_manifest_that_is_none_is_refused_in_a_sentence(
    manifest: str, problem: str, tmp_path: Path
) -> None:
    content = json.loads(manifest)
    if isinstance(content, dict) and "version" not in problem:
        content["schema_version"] = SCHEMA_VERSION
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    ended = CliRunner().invoke(app, ["run", "--resume", str(tmp_path)])
    assert ended.exit_code == 2
    assert problem in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
