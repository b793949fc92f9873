"""What the documents say is what the code and the committed run say."""

import re
from pathlib import Path

import jupytext
import nbformat
import pytest
from typer.main import get_command

from analysis.load import load_run
from analysis.readme import numbers, with_numbers
from analysis.summary import fields_markdown, summarise
from study import app

ROOT = Path(__file__).parent.parent
REFERENCE = Path("results/reference-cpu-2core")
DOCUMENTS = ("README.md", "METHODOLOGY.md", "CONTRIBUTING.md", "results/README.md")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_numbers_in_the_readme_are_those_of_the_reference_run() -> None:
    section = numbers(summarise(load_run(ROOT / REFERENCE)), REFERENCE.as_posix())
    assert text("README.md") == with_numbers(text("README.md"), section)


def test_the_committed_summary_can_be_computed_again_from_the_committed_rows() -> None:
    summary = summarise(load_run(ROOT / REFERENCE))
    assert summary.model_dump_json(indent=2).strip() == text(f"{REFERENCE}/summary.json").strip()


def test_every_field_of_the_summary_is_documented() -> None:
    assert fields_markdown().strip() in text("results/README.md")


def test_the_committed_notebook_is_its_script_executed_without_errors() -> None:
    script = jupytext.read(ROOT / "analysis/notebooks/study.py")
    notebook = nbformat.read(ROOT / "analysis/notebooks/study.ipynb", as_version=4)
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in script.cells]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    assert outputs
    assert "error" not in {output.output_type for output in outputs}


@pytest.mark.parametrize("command", sorted(get_command(app).commands))  # type: ignore[attr-defined]
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"study {command}" in text("README.md")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_local_link_leads_somewhere(name: str) -> None:
    targets = re.findall(r"\]\((?!https?://)([^)#]+)", text(name))
    missing = [target for target in targets if not ((ROOT / name).parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_path_in_code_marks_exists(name: str) -> None:
    named = re.findall(
        r"`((?:servers|loadtests|analysis|bundle|commands|compose|tests)/[\w./-]*)`", text(name)
    )
    missing = [path for path in named if not (ROOT / path).exists()]
    assert missing == []
