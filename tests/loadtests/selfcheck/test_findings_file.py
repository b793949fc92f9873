"""The one file that a self-check writes."""

import json
from pathlib import Path

import pytest

from loadtests.selfcheck import gateway_faults, triton_behaviour, triton_questions
from loadtests.selfcheck.findings_file import asked_file, write_findings


def test_the_file_says_how_it_was_measured_and_what_was_found(tmp_path: Path) -> None:
    path = asked_file("what it does", [str(tmp_path / "new" / "found.json")])
    write_findings(path, "loadtests.selfcheck.some", {"findings": [1]})
    written = json.loads(path.read_text(encoding="utf-8"))
    assert written["findings"] == [1]
    assert written["command"] == "python -m loadtests.selfcheck.some found.json"


def test_a_program_with_more_than_a_file_says_what_it_was_given(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "found.json"
    write_findings(path, "loadtests.selfcheck.some", {}, ("folder", "--only", "one"))
    written = json.loads(path.read_text(encoding="utf-8"))
    assert written["command"] == "python -m loadtests.selfcheck.some folder --only one"


@pytest.mark.parametrize("program", [gateway_faults, triton_behaviour, triton_questions])
def test_each_program_names_itself(program: object) -> None:
    assert program.__name__ == program.PROGRAM
