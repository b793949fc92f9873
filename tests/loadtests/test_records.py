"""What a results folder can hold."""

import json
from pathlib import Path

from loadtests.records import SCHEMA_VERSION, read_json, write_json


def test_half_a_surrogate_pair_is_written_as_the_escape_it_was_and_read_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "manifest.json"
    content = {"schema_version": SCHEMA_VERSION, "command": "study run a\udce9.toml 中"}
    write_json(path, content)
    expected = {"schema_version": SCHEMA_VERSION, "command": r"study run a\udce9.toml 中"}
    assert read_json(path) == json.loads(path.read_text(encoding="utf-8")) == expected
