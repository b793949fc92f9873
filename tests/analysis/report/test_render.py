import json
import re
from functools import reduce
from html.parser import HTMLParser

import pytest
from markupsafe import escape

from analysis.derive import derive
from analysis.report import tables
from analysis.report.figures.catalogue import PNG_FILES
from analysis.report.render import render_decision, render_report
from analysis.report.summary import Summary, fields_markdown
from analysis.report.words import certificates, decision
from analysis.report.words.answer import sentences
from analysis.report.words.codes import said
from analysis.report.words.numbers import level, times
from analysis.report.words.reasons import MEANINGS
from analysis.validity.reasons import Reason
from loadtests.records.trials import Level


@pytest.fixture(scope="module")
def outputs(searched_run):
    return derive(searched_run)


@pytest.fixture(scope="module")
def html(outputs) -> str:
    return outputs.report_path.read_text(encoding="utf-8")


class PageReader(HTMLParser):
    """Collects every number with where it comes from, and every address the page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: list[tuple[str, str, str]] = []
        self._at: tuple[str, str] | None = None
        self.rows: dict[str, str] = {}
        self.loads: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.add(tag)
        self.loads += [values[key] for key in ("src", "href", "xlink:href") if values.get(key)]
        if "data-at" in values:
            self._at = (values["data-at"], values["value"])
        if "data-point" in values:
            self.rows[values["data-point"]] = values.get("class") or ""

    def handle_data(self, text):
        if self._at:
            self.numbers.append((*self._at, text))
            self._at = None


@pytest.fixture(scope="module")
def page(html) -> PageReader:
    reader = PageReader()
    reader.feed(html)
    return reader


def resolved(stored, path: str):
    steps = [int(step) if step.isdigit() else step for step in path.split(".")]
    return reduce(lambda node, step: node[step], steps, stored)


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))


def row_of(html: str, attribute: str) -> str:
    """The text of the table row that carries this attribute."""
    return text_of(re.search(rf"<tr {re.escape(attribute)}.*?</tr>", html, re.DOTALL)[0])


def test_the_report_loads_nothing_from_outside_itself(html, page):
    assert all(address.startswith("#") for address in page.loads)
    assert not page.tags & {"script", "link", "iframe", "img"}
    assert not re.findall(r"url\((?!#)", html)
    assert "@import" not in html


def test_paper_shows_all_of_a_table_on_white_and_what_is_folded_on_the_screen(html):
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
    screen, _, paper = style.partition("@media print")
    colours = set(re.findall(r"(--[a-z-]+):", screen))
    assert set(re.findall(r"(--[a-z-]+):", paper)) == colours, "a dark page's colour is printed"
    assert "@media" not in paper, "a later block would undo it"
    assert "--page: #ffffff" in paper
    assert re.search(r"\.scroll[^{}]*\{ overflow: visible", paper)
    assert re.search(r"details::details-content \{[^}]*content-visibility: visible", paper)


def test_every_link_within_the_report_leads_somewhere(html):
    anchors = set(re.findall(r'<a href="#([^"]+)"', html))
    assert anchors
    assert anchors <= set(re.findall(r'\bid="([^"]+)"', html))


def test_every_number_of_the_report_is_the_summary_s(outputs, page):
    stored = json.loads(outputs.summary_path.read_text())
    assert page.numbers
    for path, value, text in page.numbers:
        assert json.loads(value) == resolved(stored, path), path
        assert (
            text == "–"
            if value == "null"
            else any(
                abs(float(re.sub("[^0-9.-]", "", text)) - scale * float(value))
                <= 0.006 * abs(scale * float(value))
                for scale in (1, 100, 2**-20)  # as it is, in percent, in mebibytes
            )
        ), (path, value, text)


def test_every_measured_figure_of_every_point_is_in_the_report(outputs, page):
    shown = {path for path, _, _ in page.numbers}
    beyond = {"window_s", "n_offered", "n_failed", "latency_slo_ms", "server_time"}
    no_gpu = {
        name for name in type(outputs.summary.points[0].metrics).model_fields if "gpu" in name
    }
    for i, point in enumerate(outputs.summary.points):
        for field in type(point.metrics).model_fields if point.metrics else ():
            if field not in beyond | no_gpu:
                assert f"points.{i}.metrics.{field}" in shown


def test_the_heading_of_a_load_level_spans_all_columns_of_its_table(html):
    tables = re.findall(r"<thead>(.*?)</thead>(.*?)</table>", html, re.DOTALL)
    spans = [
        (head.count("<th"), int(span))
        for head, rows in tables
        for span in re.findall(r'<tr class="group"><th colspan="(\d+)"', rows)
    ]
    assert len(spans) > 3
    assert all(n_columns == span for n_columns, span in spans)


def test_a_point_that_may_not_be_used_is_struck_out_and_no_other_is(outputs, page):
    unused = {f"{p.contender} {p.level}" for p in outputs.summary.points if not p.usable}
    assert "fastapi-onnx 100rps" in unused
    assert {name for name, style in page.rows.items() if style == "unused"} == unused


def test_every_invalid_or_limited_point_is_listed_with_its_reason_and_remedy(outputs, html):
    assert any(point.findings for point in outputs.summary.points)
    for point in outputs.summary.points:
        for finding in point.findings:
            attribute = f'data-issue="{finding.reason}"'
            rows = re.findall(rf"<tr {re.escape(attribute)}.*?</tr>", html, re.DOTALL)
            told = certificates.found(finding).replace("\N{NO-BREAK SPACE}", " ")
            assert any(
                point.contender in row and level(point.level) in row and told in text_of(row)
                for row in rows
            )
            assert MEANINGS[finding.reason][1].split(":")[0] in html


def test_every_trial_has_a_row_with_a_mark_for_each_check(outputs, html):
    marks = {"passed": "✓", "failed": "✗", "not_applicable": "·"}
    for trial in outputs.summary.trials:
        row = row_of(html, f'data-trial="{trial.trial_id}"')
        for outcome in ("passed", "failed"):
            expected = sum(check.outcome == outcome for check in trial.certificate)
            assert row.count(marks[outcome]) == expected


def test_what_a_check_found_is_told_in_words(outputs, html):
    words = text_of(html).replace("&#39;", "'")
    for trial in outputs.summary.trials:
        for check in trial.certificate:
            assert certificates.found(check).replace("\N{NO-BREAK SPACE}", " ") in words


def test_each_slo_has_its_capacities_with_interval_and_ratio(outputs, html):
    for capacity in outputs.summary.capacities:
        assert f"<h3>{decision.objective(capacity.slo)}</h3>" in html
    row = row_of(html, 'data-capacity="fastapi-tuned"')
    found = next(c for c in outputs.summary.capacities if c.contender == "fastapi-tuned")
    assert decision.capacity_estimate(found) in row
    over = tables.over_reference(outputs.summary, found)
    assert times(over.ratio) in row
    assert said(over.verdict) in row
    assert "not certified" in row_of(html, 'data-capacity="broken"')


def test_components_are_named_in_report_and_decision_where_the_record_names_them(outputs, html):
    named = "5: tritonserver, one stub, another, repository, network"
    assert named in text_of(html)
    decision = outputs.decision_path.read_text(encoding="utf-8")
    assert f"its operational complexity is {named}." in decision
    assert "2: not named in the record" in text_of(html)


def test_each_bottleneck_and_the_last_sentences_of_the_decision_have_lines_of_their_own(collapsing):
    summary = collapsing()
    other = summary.bottlenecks[0].model_copy(update={"contender": "other", "fell": None})
    summary = summary.model_copy(update={"bottlenecks": [*summary.bottlenecks, other]})
    lines = render_decision(summary).splitlines()
    (first,) = [line for line in lines if line.startswith("* a at 200 rps: **")]
    assert "At 400 rps it answered less: " in first
    assert any(line.startswith("* other at 200 rps: **") for line in lines)


def test_every_comparison_shows_its_verdicts_in_words_with_intervals(outputs, html):
    for compared in outputs.summary.comparison:
        row = row_of(html, f'data-comparison="{compared.contender} {compared.level}"')
        for ratio in compared.ratios:
            assert said(ratio.verdict) in row
            if ratio.low is not None:
                assert re.search(r"\(\S+ to \S+\)", row)


def test_the_noise_floor_is_said_in_one_sentence(html):
    assert re.search(
        r"fastapi ran a second time in every round as fastapi-again; the two differed by at most "
        r"\S+ % in P99 latency",
        text_of(html).replace("\N{NO-BREAK SPACE}", " "),
    )


def test_an_ablation_at_another_percentile_than_the_slo_s_says_so(outputs):
    stored = json.loads(outputs.summary_path.read_text())
    sentence = "The SLO bounds P95; latency is compared at P99 here."
    assert sentence not in render_report(type(outputs.summary).model_validate(stored))
    for capacity in stored["capacities"]:
        capacity["slo"]["percentile"] = 95
    stored["manifest"]["experiment"]["slo"]["percentile"] = 95
    assert sentence in render_report(type(outputs.summary).model_validate(stored))


def test_probed_rates_stand_apart_from_planned_ones(html):
    probed = html.index("Rates that only the capacity search tried")
    assert html.index('data-point="fastapi 100rps"') < probed
    assert html.index('data-point="fastapi 71rps"') > probed


def test_a_failed_contender_is_shown_with_its_reason_and_log(html):
    assert "exited with code 1 while starting" in html
    assert "RuntimeError: synthetic" in html


def test_seeded_weights_are_said_before_any_number(html):
    assert 0 < html.index("The weights are seeded") < html.index("<table")


def test_gpu_columns_stand_there_only_for_a_run_that_has_them(outputs, html):
    assert "SM<br>active" not in html
    stored = json.loads(outputs.summary_path.read_text())
    for point in stored["points"]:
        if point["metrics"]:
            point["metrics"] |= {"gpu_busy_ratio": 0.8125, "gpu_sm_active_ratio": 0.3125}
    text = render_report(type(outputs.summary).model_validate(stored))
    assert "GPU time<br>busy" in text
    assert "GPU SM<br>active" in text
    assert ">81.2\N{NO-BREAK SPACE}%<" in text


def test_the_summary_is_what_the_rows_give_again(outputs, searched_summary):
    assert Summary.model_validate_json(outputs.summary_path.read_text()) == searched_summary


def test_deriving_again_changes_no_file(outputs, searched_run):
    paths = (
        outputs.summary_path,
        outputs.report_path,
        outputs.decision_path,
        *outputs.figure_paths,
    )
    before = [path.read_bytes() for path in paths]
    derive(searched_run)
    assert [path.read_bytes() for path in paths] == before
    assert not list(searched_run.glob(".*"))


def test_nulls_are_kept_in_the_summary(outputs):
    stored = json.loads(outputs.summary_path.read_text())
    saturated = next(
        p for p in stored["points"] if (p["contender"], p["level"]) == ("fastapi", "400rps")
    )
    assert saturated["metrics"]["latency_p99_ms"] is None
    assert saturated["metrics"]["gpu_busy_ratio"] is None


def test_the_decision_s_last_line_says_where_the_rest_is(outputs):
    last = outputs.decision_path.read_text(encoding="utf-8").splitlines()[-1]
    assert last.startswith("`report.html` beside this file")


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
    for choice in outputs.summary.recommendation.choices:
        assert f"| {decision.rates(choice)} | {decision.chosen(choice)} |" in text


@pytest.mark.parametrize(
    "empty",
    [
        {"capacities": [], "recommendation": {"choices": [], "tested_rps": [], "out": []}},
        {"noise_floor": None, "comparison": [], "ablation": []},
        {"points": [], "trials": [], "ceilings": [], "failures": [], "contenders": []},
    ],
    ids=["no capacity", "nothing compared", "nothing measured"],
)
def test_an_empty_part_is_said_and_breaks_nothing(outputs, empty):
    stored = json.loads(outputs.summary_path.read_text()) | empty
    summary = type(outputs.summary).model_validate(stored)
    assert "</html>" in render_report(summary)
    assert "## Decision Outcome" in render_decision(summary)


def test_a_run_of_one_contender_has_a_report(new_run, contender):
    run = new_run(["a"], rates_rps=[50.0], steady_s=6.0)
    run.simulate([contender("a", 0.001)])
    outputs = derive(run.folder)
    text = outputs.report_path.read_text(encoding="utf-8")
    assert outputs.summary.points[0].stated_p99_ms is None
    assert "no valid point states a P99" in text
    assert "no gain can be attributed" in text
    assert "the experiment has no A/A test" in text


def test_a_run_in_which_everything_failed_has_a_report(new_run, contender):
    run = new_run(["a"], rates_rps=[50.0])
    run.simulate([contender("a", 0.001, fails="exited with code 1")])
    text = derive(run.folder).report_path.read_text(encoding="utf-8")
    assert "0 of 1 trials may be used" in text_of(text)
    assert "exited with code 1" in text


def test_a_figure_that_an_earlier_report_could_draw_does_not_stay(new_run, contender) -> None:
    run = new_run(["a"], rates_rps=[50.0])
    run.simulate([contender("a", 0.001, fails="exited with code 1")])
    for name in PNG_FILES:
        (run.folder / name).write_bytes(b"of the last report")
    drawn = derive(run.folder).figure_paths
    assert sorted(run.folder.glob("*.png")) == sorted(drawn)


def test_a_run_of_closed_loops_only_still_has_a_report(new_run, contender, make_rows):
    run = new_run(["a"], rates_rps=[], concurrency=[4])
    rows = make_rows([1.5, 1.6], [1.5, 1.6], [1.6, 1.7])
    run.add(contender("a", 0.002), rows, Level("closed", concurrency=4))
    outputs = derive(run.folder)
    text = outputs.report_path.read_text()
    assert outputs.figure_paths == []
    assert "#figures" not in text
    assert "4 callers, closed loop" in text
    assert "nothing is recommended" in text


RECORDED = {
    *("manifest", "contenders.summary", "contenders.components", "engines"),
    *("failures.reason", "failures.log_tail"),
    *("trials.certificate.text", "points.certificate.text", "points.findings.text"),
    *("engine_efficiencies.engine", "claims.readings.of", "claims.readings.over"),
    *("price.source", "gpu_figures.source", "gpu_figures.refused"),
}
"""Texts that the load side or a person wrote, and names made of an engine and its placement."""


def texts(node, path: str = ""):
    if isinstance(node, dict):
        for name, value in node.items():
            yield from texts(value, f"{path}.{name}".strip("."))
    elif isinstance(node, list):
        for value in node:
            yield from texts(value, path)
    elif isinstance(node, str):
        yield path, node


def test_a_sentence_stands_in_no_field_of_the_summary(outputs, gpu_summary):
    for summary in (outputs.summary, gpu_summary):
        sentences = [
            (path, text)
            for path, text in texts(json.loads(summary.model_dump_json()))
            if " " in text and not any(f"{path}.".startswith(f"{known}.") for known in RECORDED)
        ]
        assert sentences == []


def test_every_field_of_the_summary_is_described(outputs):
    rows = fields_markdown().splitlines()[2:]
    assert all(re.fullmatch(r"\| `[^`]+` \| [^|]+ \| [^|]+\. ?\|", row) for row in rows)
    names = " ".join(rows)
    for path in ("points[].metrics.latency_p99_ms", "recommendation.choices[].contender"):
        assert f"`{path}`" in names


def test_checks_are_named_by_what_holds_where_they_pass(html):
    assert all(map(certificates.name, Reason))
    marks = re.search(r'<table class="fixed marks">(.*?)</thead>', html, re.DOTALL)[1]
    assert "answers agree" in marks
    assert said(Reason.PARITY_BROKEN) not in marks


def test_certificates_are_folded_below_what_limits_the_points(html):
    limits, folded = html.index("What limits the points"), html.index("Every check of every")
    assert limits < folded < html.index('data-certificates="fastapi"')


def test_three_sentences_one_figure_and_one_table_stand_before_everything_else(outputs, html):
    top = html[: html.index("<h2")]
    for sentence in sentences(outputs.summary):
        assert escape(sentence) in top
    assert (top.count("<figure"), len(re.findall(r'<table class="fixed"', top))) == (1, 1)


def test_the_figure_and_table_of_the_top_say_each_certified_rate(outputs, html):
    top = html[: html.index("<h2")]
    for capacity in outputs.summary.capacities:
        if capacity.slo == outputs.summary.manifest.experiment.slo and capacity.certified_rps:
            assert f"certified to {capacity.certified_rps:g} rps" in top


def test_the_order_of_the_report_is_that_of_a_reader_s_questions(html):
    parts = ("gain", "bottleneck", "capacity", "target", "noise", "results", "certificates")
    places = [html.index(f'<h2 id="{part}"') for part in parts]
    assert places == sorted(places)


def test_what_is_found_of_several_contenders_alike_is_said_once(outputs):
    found = tables.issues(outputs.summary.points)
    noise = [issue for issue in found if issue.reason is Reason.MACHINE_NOISE]
    assert len(noise) == len({text for issue in noise for text in issue.found})
    pairs = [(issue.reason, name) for issue in found for name in issue.contenders]
    assert len(pairs) == len(set(pairs))
