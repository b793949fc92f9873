import io
import json
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from analysis.derive import derive
from analysis.figure_style import look, spread
from analysis.load import load_run
from analysis.summary import fields_markdown, read_summary, summarise
from analysis.terminal import recommendation_table
from analysis.wording import number
from loadtests.records import Level


@pytest.fixture(scope="module")
def outputs(full_run):
    return derive(full_run)


@pytest.fixture(scope="module")
def html(outputs) -> str:
    return outputs.report_path.read_text(encoding="utf-8")


class PageReader(HTMLParser):
    """Collects the cells of the results table by point, and every address the page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: dict[str, dict[str, str]] = {}
        self.loads: list[str] = []
        self.tags: set[str] = set()
        self._point = ""

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.add(tag)
        self.loads += [values[key] for key in ("src", "href", "xlink:href") if values.get(key)]
        if tag == "tr":
            self._point = values.get("data-point", "")
        if "data-field" in values:
            self.cells.setdefault(self._point, {})[values["data-field"]] = values["data-value"]


@pytest.fixture(scope="module")
def page(html) -> PageReader:
    reader = PageReader()
    reader.feed(html)
    return reader


def test_the_report_loads_nothing_from_outside_itself(html, page):
    assert all(address.startswith("#") for address in page.loads)
    assert not page.tags & {"script", "link", "iframe", "img"}
    assert not re.findall(r"url\((?!#)", html)
    assert "@import" not in html


def test_every_number_of_the_results_table_is_the_summary_s(outputs, page):
    stored = json.loads(outputs.summary_path.read_text())
    shown = 0
    for point in stored["points"]:
        cells = page.cells.get(f"{point['contender']} {point['level']}", {})
        for field, text in cells.items():
            assert json.loads(text) == point["metrics"][field]
            shown += 1
    assert shown == 6 * 5 * 12  # six contenders that started, five rates, twelve columns


def test_every_invalid_or_limited_point_is_listed_with_its_reason(outputs, html):
    for point in outputs.summary.points:
        for finding in point.findings:
            assert f'data-issue="{point.contender} {point.level} {finding.reason}"' in html
            assert finding.meaning.remedy.split(":")[0] in html


def test_a_failed_contender_is_shown_with_its_reason_and_log(html):
    assert "exited with code 1 while starting" in html
    assert "RuntimeError: synthetic" in html


def test_seeded_weights_are_said_before_any_number(html):
    assert 0 < html.index("The weights are seeded") < html.index("<table")


def test_the_summary_is_what_the_rows_give_again(outputs, full_run):
    assert read_summary(outputs.summary_path) == summarise(load_run(full_run))


def test_deriving_again_changes_no_file(outputs, full_run):
    paths = (outputs.summary_path, outputs.report_path, outputs.decision_path, outputs.figure_path)
    before = [path.read_bytes() for path in paths]
    derive(full_run)
    assert [path.read_bytes() for path in paths] == before
    assert not list(full_run.glob(".*"))


def test_nulls_are_kept_in_the_summary(outputs):
    stored = json.loads(outputs.summary_path.read_text())
    saturated = next(
        p for p in stored["points"] if (p["contender"], p["level"]) == ("fastapi", "400rps")
    )
    assert saturated["metrics"]["latency_p99_ms"] is None
    assert saturated["metrics"]["gpu_busy_ratio"] is None


def test_the_decision_record_is_proposed_and_says_how_to_confirm_it(outputs):
    text = outputs.decision_path.read_text(encoding="utf-8")
    assert text.startswith("---\nstatus: proposed\ndate: 2026-11-21\n")
    for heading in (
        "## Context and Problem Statement",
        "## Decision Drivers",
        "## Considered Options",
        "## Decision Outcome",
        "### Consequences",
        "### Confirmation",
    ):
        assert f"\n{heading}\n" in text
    assert "study run synthetic.toml" in text
    assert "| 50 to 100 rps | fastapi-tuned |" in text


def test_no_p99_is_drawn_of_a_point_with_too_few_requests(new_run, contender):
    run = new_run(["a"], rates_rps=[50.0], steady_s=6.0)
    run.simulate([contender("a", 0.001)])
    outputs = derive(run.folder)
    assert outputs.summary.points[0].stated_p99_ms is None
    assert "no valid point states a P99" in outputs.report_path.read_text(encoding="utf-8")


def test_a_run_of_closed_loops_only_still_has_a_report(new_run, contender, make_rows):
    run = new_run(["a"], rates_rps=[], concurrency=[4])
    rows = make_rows([1.5, 1.6], [1.5, 1.6], [1.6, 1.7])
    run.add(contender("a", 0.002), rows, Level("closed", concurrency=4))
    outputs = derive(run.folder)
    text = outputs.report_path.read_text()
    assert outputs.figure_path is None
    assert "4 callers, closed loop" in text
    assert "nothing is recommended" in text


def test_the_terminal_shows_the_choice_for_each_range(outputs):
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(recommendation_table(outputs.summary))
    assert re.search(r"200 to 400 rps\W+fastapi-onnx", console.export_text())


def test_every_field_of_the_summary_is_described(outputs):
    rows = fields_markdown().splitlines()[2:]
    assert all(re.fullmatch(r"\| `[^`]+` \| [^|]+ \| [^|]+\. ?\|", row) for row in rows)
    names = " ".join(rows)
    for path in ("points[].metrics.latency_p99_ms", "recommendation.choices[].contender"):
        assert f"`{path}`" in names


def test_labels_are_moved_apart_and_keep_their_order():
    moved = spread([0.5, 0.5, 0.1, 0.52], gap=0.1)
    ordered = sorted(moved)
    assert all(b - a >= 0.1 - 1e-9 for a, b in zip(ordered, ordered[1:], strict=False))
    assert moved[2] == 0.1
    assert moved[3] == max(moved)


def test_a_contender_looks_the_same_in_every_run():
    assert look("triton") == look("triton")
    assert look("triton") != look("fastapi")
    assert look("a contender of your own") == look("a contender of your own")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0, "0"),
        (0.04213, "0.0421"),
        (12.0, "12.0"),
        (139.4, "139"),
        (12345.6, "12,346"),
    ],
)
def test_numbers_keep_three_digits(value, shown):
    assert number(value) == shown
