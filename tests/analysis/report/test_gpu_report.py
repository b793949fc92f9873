import json
import re
from dataclasses import replace
from functools import reduce

import pytest
from matplotlib.figure import Figure

from analysis.claims.catalogue import BY_ID
from analysis.derive import derive
from analysis.read.run import load_run
from analysis.report.figures.engines import engine_figure
from analysis.report.figures.gpu import gpu_figure
from analysis.report.figures.style import look, to_svg
from analysis.report.render import render_decision, render_report
from analysis.report.summary import Summary
from analysis.report.tables import gpu_columns
from analysis.report.words import gpu
from analysis.report.words.bottlenecks import because
from analysis.report.words.codes import said
from analysis.report.words.numbers import number
from analysis.steady.gpu import gpu_figures


@pytest.fixture(scope="module")
def outputs(gpu_run):
    return derive(gpu_run)


@pytest.fixture(scope="module")
def summary(outputs):
    return outputs.summary


@pytest.fixture(scope="module")
def html(outputs) -> str:
    return outputs.report_path.read_text(encoding="utf-8")


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).replace("\N{NO-BREAK SPACE}", " ")


def row_of(html: str, attribute: str) -> str:
    return text_of(re.search(rf"<tr {re.escape(attribute)}.*?</tr>", html, re.DOTALL)[0])


def text_in(figure: Figure) -> list[str]:
    return re.findall(r">([^<>]+)</text>", to_svg(figure, "f"))


def metrics_of(summary, contender: str, level: str):
    found = next(p for p in summary.points if (p.contender, p.level) == (contender, level))
    return found.metrics


def test_the_summary_has_every_figure_of_the_gpu(summary):
    found = metrics_of(summary, "triton", "1600rps")
    assert found.gpu_busy_ratio == pytest.approx(0.99)
    assert found.gpu_sm_active_ratio == pytest.approx(0.87)
    assert found.gpu_tensor_active_ratio == pytest.approx(0.55)
    assert found.gpu_memory_bytes == 3 * 2**30
    assert found.gpu_power_w == pytest.approx(610)
    energy_j = 1000 * 610 / found.throughput_rps
    assert found.gpu_energy_j_per_1000_requests == pytest.approx(energy_j)
    assert found.gpu_sm_clock_min_mhz == 1200
    assert found.gpu_sm_clock_median_mhz == 1980
    assert list(found.gpu_clock_events) == ["software power cap"]


def test_the_report_shows_them_side_by_side(html):
    row = row_of(html, 'data-gpu="triton 1600rps"')
    assert re.search(r"99\.0 % 87\.0 % 55\.0 % 3,072 610 \d+ 1,200 1,980 software power cap", row)
    assert row.index("99.0 %") < row.index("87.0 %")


def test_each_figure_is_explained_with_its_source(summary, html):
    sources = {figure.column: figure.source for figure in summary.gpu_figures}
    assert sources["gpu_busy_pct"] == "nvml"
    assert sources["gpu_sm_active_ratio"] == "nvml gpm"
    words = text_of(html)
    for figure in summary.gpu_figures:
        assert f"Source: {gpu.source(figure)}." in words
        assert gpu.meaning(figure).split("'")[0] in words


def test_a_figure_that_the_driver_refused_is_explained_in_its_words(gpu_run):
    run = load_run(gpu_run)
    machine = run.manifest.machine
    refused = {"gpu_sm_active_ratio": "Insufficient Permissions"}
    card = machine.gpu.model_copy(update={"refused": refused})
    machine = machine.model_copy(update={"gpu": card})
    manifest = run.manifest.model_copy(update={"machine": machine})
    [figure] = gpu_figures(replace(run, manifest=manifest, trials=()))
    assert (figure.column, figure.source) == ("gpu_sm_active_ratio", None)
    assert gpu.name(figure) == "SM active"
    assert gpu.source(figure) == "none, the driver says: Insufficient Permissions"


def test_a_figure_that_no_trial_measured_has_no_column(summary):
    fields = {column.field for column in gpu_columns(summary.points)}
    assert "gpu_sm_active_ratio" in fields
    stored = json.loads(summary.model_dump_json())
    for point in stored["points"]:
        point["metrics"]["gpu_sm_active_ratio"] = None
    older_gpu = type(summary).model_validate(stored)
    found = {column.field for column in gpu_columns(older_gpu.points)}
    assert found == fields - {"gpu_sm_active_ratio"}


def test_a_run_without_a_gpu_speaks_of_none_and_says_how_to_give_a_price(searched_summary):
    text = render_report(searched_summary)
    assert 'id="gpu"' not in text
    assert 'id="engine"' not in text
    assert searched_summary.gpu_figures == []
    assert "--price-per-hour" in text
    assert "machine hours<br>per million" in text


def test_every_number_of_the_new_sections_is_the_summary_s(outputs, html):
    stored = json.loads(outputs.summary_path.read_text())
    marked = re.findall(r'<data data-at="([^"]+)" value="([^"]+)">([^<]*)</data>', html)
    prefixes = {path.split(".")[0] for path, _, _ in marked}
    assert {"engines", "engine_efficiencies", "costs", "price"} <= prefixes
    for path, value, text in marked:
        steps = [int(step) if step.isdigit() else step for step in path.split(".")]
        assert json.loads(value) == reduce(lambda node, step: node[step], steps, stored), path
        if value != "null":
            shown, exact = float(re.sub("[^0-9.-]", "", text)), float(value)
            scales = (1, 100, 2**-20, 1e-9, 1e-12)  # as it is, percent, mebibytes, giga, tera
            assert any(abs(shown - s * exact) <= 0.006 * abs(s * exact) for s in scales), path


def test_each_contender_is_set_beside_its_engine(summary, html):
    for efficiency in summary.engine_efficiencies:
        row = row_of(html, f'data-engine-efficiency="{efficiency.contender}"')
        assert efficiency.engine in row
        assert "saturated" in row if efficiency.saturated_at else "highest load tried" in row


def test_precision_as_found_is_shown_with_its_agreement(html):
    check = html[html.index("Do reduced precision") : html.index("Every batch and length")]
    assert "onnxruntime (cuda, fp16)" in check
    assert re.search(r"fp16 1,000 99\.8 % 0\.0125 torch fp32 on cpu", text_of(check))


def test_an_unavailable_engine_is_named_with_its_reason(html):
    assert "for triton-tensorrt, is unavailable: expected libnvinfer, found none" in text_of(html)


def test_the_limit_of_each_contender_is_said_with_what_was_measured(summary, html):
    for found in summary.bottlenecks:
        row = row_of(html, f'data-bottleneck="{found.contender}"')
        assert f" {said(found.bottleneck)} " in row
        assert because(found).replace("\N{NO-BREAK SPACE}", " ").replace("'", "&#39;") in row


def test_cost_is_shown_with_its_interval_and_the_price_behind_it(html, outputs):
    assert "3.60 EUR an hour (invented for this test)" in text_of(html)
    row = row_of(html, 'data-cost="triton"')
    assert "0.625 0.312 to 0.625 0.174 0.0868 to 0.174" in row
    decided = outputs.summary.recommendation.decision
    needs = next(each for each in decided.needs if each.contender == "triton")
    cost = f"{number(needs.cost_per_hour)} | {number(needs.cost_per_million)} |"
    assert needs.cost_per_hour == 3.6 * needs.replicas
    assert cost in outputs.decision_path.read_text()


def test_every_claim_has_a_row_measured_or_not(summary, html):
    for claim in summary.claims:
        row = row_of(html, f'data-claim="{claim.id}"').replace("&#39;", "'")
        claimed = BY_ID[claim.id]
        assert claimed.text in row
        if claim.readings:
            assert said(claim.verdict) in row
        else:
            assert claimed.how in row


def test_the_decision_record_names_limits(outputs, summary):
    text = render_decision(summary)
    assert "* hybrid at 1,600 rps: **front**;" in text


def test_the_figures_name_engines_and_meanings(summary):
    words = text_in(engine_figure(summary))
    assert "onnxruntime (cuda, fp16)" in words
    assert {c.contender for c in summary.engine_efficiencies} <= set(words)
    assert {"time busy", "SM active", "tensor active"} <= set(text_in(gpu_figure(summary)))


def test_labels_stand_behind_their_markers_in_the_order_of_what_they_label(summary):
    axes = engine_figure(summary).axes[0]
    from_top = sorted(axes.texts, key=lambda label: -label.xy[1])
    rates_rps = {e.contender: e.throughput_rps for e in summary.engine_efficiencies}
    labelled_rps = [rates_rps[label.get_text()] for label in from_top]
    # Two that answered all of the same arrivals differ by a request or two.
    assert labelled_rps == pytest.approx(sorted(rates_rps.values(), reverse=True), rel=0.01)
    keys = {
        line.get_ydata()[0]: line for line in axes.lines if line.get_transform() == axes.transAxes
    }
    for label in from_top:
        style, key = look(label.get_text()), keys[label.xy[1]]
        assert (key.get_marker(), key.get_color()) == (style.marker, style.color)
        assert label.arrow_patch is None, "leader lines cross each other and the words"


def test_nothing_is_drawn_of_what_was_not_measured(summary, searched_summary):
    assert engine_figure(searched_summary) is None
    assert gpu_figure(searched_summary) is None
    assert engine_figure(summary.model_copy(update={"engine_efficiencies": []})) is not None


def test_the_summary_reads_back_as_it_was(outputs, summary):
    assert Summary.model_validate_json(outputs.summary_path.read_text()) == summary
