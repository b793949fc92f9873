"""What the documents say is what the code and the committed run say."""

import json
import math
import re
from functools import cache
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest
from typer.main import get_command

from analysis.colocation import record
from analysis.read.run import load_run
from analysis.report.claims_page import (
    REFERENCE_RUNS,
    behaviour_found,
    claims_page,
)
from analysis.report.notebook import NOTEBOOKS, names
from analysis.report.readme import first_answer, numbers
from analysis.report.summary import Summary, fields_markdown, summarise
from loadtests.records.markdown import with_section
from loadtests.spec.file import read_experiment
from servers.discovery import discover
from study import app

ROOT = Path(__file__).parent.parent
REFERENCE = Path("results/reference-cpu-2core")
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/*.md", "*/README.md", "results/reference-*/*.md")
    for path in ROOT.glob(pattern)
)
SUBJECTS = [name for name in DOCUMENTS if name.startswith("docs/")]
SOURCES = [
    path
    for place in ("servers", "loadtests", "analysis", "bundle", "commands", "compose", "study.py")
    for path in ([ROOT / place] if (ROOT / place).is_file() else sorted((ROOT / place).rglob("*")))
    if path.suffix in {".py", ".j2", ".toml", ".yaml", ".lua", ".sh"}
]
HOME_MADE = (
    "be had",
    "asked for no more",
    "how surely",
    "would be reversed by",
    "a row with its reason",
    "mean share of it",
    "nothing is said about",
    "lie on each other",
    "moving part",
    "yardstick",
    "A against A",
    "own rates",
    "rung",
    "twin",
)


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def summary_of(run: Path) -> Summary:
    return summarise(load_run(ROOT / run))


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
    summary = summary_of(REFERENCE)
    page = with_section(text("README.md"), "answer", first_answer(summary))
    assert page == with_section(page, "numbers", numbers(summary, REFERENCE.as_posix()))
    assert text("README.md") == page


def test_the_documented_claims_are_those_that_the_committed_runs_and_checks_answer() -> None:
    by_run = {name: summary_of(Path("results") / name).claims for name in REFERENCE_RUNS}
    page = claims_page(by_run, behaviour_found())
    assert text("docs/claims.md") == with_section(text("docs/claims.md"), "claims", page)


def test_the_committed_summary_can_be_computed_again_from_the_committed_rows() -> None:
    computed = summary_of(REFERENCE).model_dump(mode="json")
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


def test_the_documented_components_are_those_that_decide() -> None:
    known = {name: list(found.components) for name, found in discover().items()}
    # hybrid's row names only what it has beside triton.
    behind = known["triton"]
    own = [*(part for part in known["hybrid"] if part not in behind), "and those of `triton`"]
    for name in read_experiment(Path("default")).contenders:  # others may be added without a row
        parts = known[name]
        shown = own if name == "hybrid" else parts
        row = rf"^\|[^|]*`{name}`[^|]*\| {len(parts)}: {re.escape(', '.join(shown))} \|$"
        assert re.search(row, text("docs/recommendation.md"), re.MULTILINE), name


def test_every_field_of_the_summary_is_documented() -> None:
    assert fields_markdown().strip() in text("results/README.md")


@pytest.mark.parametrize("name", names())
def test_a_committed_notebook_is_its_script_executed_without_errors(name: str) -> None:
    script = jupytext.read(NOTEBOOKS / f"{name}.py")
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in script.cells]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    assert outputs
    assert "error" not in {output.output_type for output in outputs}


@pytest.mark.parametrize("command", sorted(get_command(app).commands))  # type: ignore[attr-defined]
def test_every_command_is_in_the_list_of_commands(command: str) -> None:
    assert f"| `study {command}" in text("docs/operation.md")


def prose(name: str) -> str:
    """A document without its blocks of code."""
    return re.sub(r"^```.*?^```", "", text(name), flags=re.MULTILINE | re.DOTALL)


def anchors(name: str) -> set[str]:
    """What GitHub calls the headings of a document, and the places that it names itself."""
    headings = re.findall(r"^#+ (.+)$", prose(name), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    named = re.findall(r'<a id="([^"]+)"></a>', prose(name))
    return {*named, *(heading.strip().replace(" ", "-") for heading in plain)}


def leads_nowhere(target: str, folder: Path) -> bool:
    """Whether a link's path, seen from a folder, or its anchor does not exist."""
    path, _, anchor = target.partition("#")
    found = folder / path
    if not found.exists():
        return True
    return bool(anchor) and found.suffix == ".md" and anchor not in anchors(str(found))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_relative_link_and_anchor_leads_somewhere(name: str) -> None:
    targets = re.findall(r"\]\((?!https?://)([^)\s]+)\)", prose(name))
    own = Path(name).name
    targets = [f"{own}{target}" if target.startswith("#") else target for target in targets]
    assert [each for each in targets if leads_nowhere(each, (ROOT / name).parent)] == []


def test_every_document_that_code_or_a_template_of_the_report_names_is_there() -> None:
    documents = (
        r"(?<![\w/.-])((?:[A-Z]+|docs/[\w-]+|results/README|compose/README)\.md(?:#[\w-]+)?)"
    )
    named = [
        (path.relative_to(ROOT).as_posix(), target)
        for path in SOURCES
        for target in re.findall(documents, path.read_text(encoding="utf-8"))
        if target != "FILE.md"
    ]
    assert len(named) > 5
    assert [each for each in named if leads_nowhere(each[1], ROOT)] == []


def test_a_link_to_a_heading_that_is_not_there_leads_nowhere() -> None:
    assert not leads_nowhere("docs/load.md#the-aa-test", ROOT)
    assert leads_nowhere("docs/load.md#the-load-of-yesterday", ROOT)
    assert leads_nowhere("docs/yesterday.md", ROOT)


@pytest.mark.parametrize(
    ("name", "most"),
    [("README.md", 150), ("METHODOLOGY.md", 80), *((each, 199) for each in SUBJECTS)],
)
def test_a_document_is_short(name: str, most: int) -> None:
    # A table that is made from a run is as long as the run has contenders.
    written = re.sub(r"<!-- (\w+): begin -->.*?<!-- \1: end -->", "", text(name), flags=re.DOTALL)
    lines = (written if name == "README.md" else text(name)).splitlines()
    assert len(lines) <= most


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_subject_says_first_what_its_reader_can_do_and_is_in_the_index(name: str) -> None:
    assert text(name).split("\n\n")[1].startswith("After reading this you can ")
    assert f"({name})" in text("METHODOLOGY.md")


@pytest.mark.parametrize("name", [each for each in DOCUMENTS if "reference-" not in each])
def test_no_document_uses_a_phrase_of_its_own_for_what_the_field_has_a_word_for(name: str) -> None:
    if name == "CHANGELOG.md":  # tells what was written then
        return
    found = [each for each in HOME_MADE if re.search(rf"\b{each}", text(name), re.IGNORECASE)]
    assert found == []


@pytest.mark.parametrize("phrase", HOME_MADE)
def test_no_source_file_uses_such_a_phrase(phrase: str) -> None:
    pattern = re.compile(rf"\b{phrase}", re.IGNORECASE)
    assert [str(path) for path in SOURCES if pattern.search(path.read_text("utf-8"))] == []


def test_the_word_of_every_glossary_entry_is_defined_once() -> None:
    _, _, glossary = text("METHODOLOGY.md").partition("## Glossary")
    rows = re.findall(r"^\| ([^|]+) \|", glossary, re.MULTILINE)[2:]
    words = [word.strip() for row in rows for word in row.split(",")]
    assert len(words) > 30
    assert sorted(words) == sorted(set(words))


def test_what_the_cross_check_says_is_what_its_committed_page_says() -> None:
    said = re.findall(r"^- .* own over .*$", text("docs/crosscheck.md"), re.MULTILINE)
    page = text("results/reference-crosscheck-cpu-2core/crosscheck.md").splitlines()
    assert said
    assert set(said) <= set(page)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_path_in_code_marks_exists(name: str) -> None:
    if name == "CHANGELOG.md":  # names paths of then
        return
    named = re.findall(
        r"`((?:servers|loadtests|analysis|bundle|commands|compose|tests)/[\w./-]*)`", text(name)
    )
    missing = [path for path in named if not (ROOT / path).exists()]
    assert missing == []


def test_no_documented_command_opens_locusts_web_ui_to_the_network() -> None:
    documents = (*DOCUMENTS, "loadtests/locustfile.py")
    lines = [line for name in documents for line in text(name).splitlines()]
    commands = [line for line in lines if "locust -f" in line and "--headless" not in line]
    assert commands
    assert [line for line in commands if "--web-host 127.0.0.1" not in line] == []


def test_every_field_that_a_colocation_must_have_is_documented() -> None:
    section = text("results/README.md").split("\n## colocation.json\n")[1].split("\n## ")[0]
    documented = set(re.findall(r"`(\w+)`", section))
    records = (record._Record, record._Settings, record._Measured)
    names = {name for each in records for name in each.model_fields}
    assert names - documented == set()
