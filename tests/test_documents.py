"""What the documents say is what the code and the committed run say."""

import json
import math
import re
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest
from typer.main import get_command

from analysis.read.run import load_run
from analysis.report.readme import numbers, with_numbers
from analysis.report.summary import fields_markdown, summarise
from servers.discovery import discover
from study import app

ROOT = Path(__file__).parent.parent
REFERENCE = Path("results/reference-cpu-2core")
DOCUMENTS = ("README.md", "METHODOLOGY.md", "CONTRIBUTING.md", "results/README.md")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def differences(committed: Any, computed: Any, where: str = "") -> list[str]:
    """Where two summaries differ; processors round the last digits of a float differently."""
    if isinstance(committed, dict) and isinstance(computed, dict):
        other = sorted(committed.keys() ^ computed.keys())
        found = [f"{where}keys: {other}"] if other else []
        for key in committed.keys() & computed.keys():
            found += differences(committed[key], computed[key], f"{where}{key}.")
        return found
    if isinstance(committed, list) and isinstance(computed, list):
        if len(committed) != len(computed):
            return [f"{where}length: {len(committed)}, {len(computed)}"]
        pairs = enumerate(zip(committed, computed, strict=True))
        return [each for k, (a, b) in pairs for each in differences(a, b, f"{where}{k}.")]
    if isinstance(committed, float) and isinstance(computed, float):
        same = math.isclose(committed, computed, rel_tol=1e-9, abs_tol=1e-12)
    else:
        same = type(committed) is type(computed) and committed == computed
    return [] if same else [f"{where.removesuffix('.')}: {committed}, {computed}"]


def test_the_numbers_in_the_readme_are_those_of_the_reference_run() -> None:
    section = numbers(summarise(load_run(ROOT / REFERENCE)), REFERENCE.as_posix())
    assert text("README.md") == with_numbers(text("README.md"), section)


def test_the_committed_summary_can_be_computed_again_from_the_committed_rows() -> None:
    computed = summarise(load_run(ROOT / REFERENCE)).model_dump(mode="json")
    committed = json.loads(text(f"{REFERENCE}/summary.json"))
    assert differences(committed, computed) == []


def test_a_number_that_differs_by_more_than_rounding_is_a_difference() -> None:
    committed = {"ratio": 1.1795498536042492, "n": 3, "rates": [75.0, None]}
    rounded = {"ratio": 1.1795498536042495, "n": 3, "rates": [75.0, None]}
    assert differences(committed, rounded) == []
    assert differences(committed, {**rounded, "ratio": 1.18}) == ["ratio: 1.1795498536042492, 1.18"]
    assert differences(committed, {**rounded, "n": 4}) == ["n: 3, 4"]
    assert differences(committed, {**rounded, "rates": [75.0, 0.0]}) == ["rates.1: None, 0.0"]
    assert differences(committed, {**rounded, "more": 1}) == ["keys: ['more']"]


def test_the_components_in_the_readme_are_those_that_decide() -> None:
    known = {name: list(found.components) for name, found in discover().items()}
    # hybrid's row names only what it has beside triton.
    behind = known["triton"]
    own = [*(part for part in known["hybrid"] if part not in behind), "and those of `triton`"]
    for name, parts in known.items():
        if name.startswith(("null", "simulated")):
            continue
        shown = own if name == "hybrid" else parts
        row = rf"^\|[^|]*`{name}`[^|]*\| {len(parts)}: {re.escape(', '.join(shown))} \|$"
        assert re.search(row, text("README.md"), re.MULTILINE), name


def test_every_field_of_the_summary_is_documented() -> None:
    assert fields_markdown().strip() in text("results/README.md")


def test_the_committed_notebook_is_its_script_executed_without_errors() -> None:
    script = jupytext.read(ROOT / "analysis/report/notebooks/study.py")
    notebook = nbformat.read(ROOT / "analysis/report/notebooks/study.ipynb", as_version=4)
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


def test_no_documented_command_opens_locusts_web_ui_to_the_network() -> None:
    documents = (*DOCUMENTS, "compose/README.md", "loadtests/locustfile.py")
    lines = [line for name in documents for line in text(name).splitlines()]
    commands = [line for line in lines if "locust -f" in line and "--headless" not in line]
    assert commands
    assert [line for line in commands if "--web-host 127.0.0.1" not in line] == []
