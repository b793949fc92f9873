import json
import re

import pytest

from analysis.compare.intervals import Metric
from analysis.report.figures.catalogue import DRAWN, figures
from analysis.report.figures.coordinated_omission import omission_figure
from analysis.report.figures.engines import engine_figure
from analysis.report.figures.gpu import gpu_figure
from analysis.report.figures.rate_curves import open_points, segments
from analysis.report.figures.style import look, spread
from analysis.report.figures.tail_latency import latency_figure
from analysis.report.summary import Summary
from analysis.report.words.codes import said
from analysis.report.words.decision import objective


@pytest.fixture(scope="module")
def summary(searched_summary):
    return searched_summary


@pytest.fixture(scope="module")
def drawn(summary) -> dict[str, str]:
    return figures(summary)


def words(svg: str) -> str:
    return " ".join(re.findall(r">([^<>]+)</text>", svg))


def changed(summary: Summary, **changes: object) -> Summary:
    return Summary.model_validate(json.loads(summary.model_dump_json()) | changes)


def test_a_full_run_has_every_figure(drawn):
    names = ["capacity", "latency", "throughput", "utilisation", "omission", "forest"]
    assert list(drawn) == names


def test_the_capacity_figure_states_each_slo_and_each_certified_rate(summary, drawn):
    shown = words(drawn["capacity"])
    for capacity in summary.capacities:
        assert objective(capacity.slo) in shown
        if capacity.certified_rps:
            assert f"{capacity.certified_rps:g} rps" in shown
    assert "not certified" in shown


def test_the_forest_says_the_verdict_of_each_contender(summary, drawn):
    shown = words(drawn["forest"])
    for compared in summary.comparison:
        if compared.rate_rps == 100:
            ratio = compared.of(Metric.P99)
            assert said(ratio.verdict) in shown


def test_the_latency_figure_names_what_saturated_and_the_slo(drawn):
    shown = words(drawn["latency"])
    assert "saturated" in shown
    assert "SLO 100 ms" in shown


def test_figures_without_anything_to_show_are_left_out(summary):
    few = changed(summary, capacities=[], comparison=[])
    assert set(figures(few)) == {"latency", "throughput", "utilisation", "omission"}
    assert figures(changed(summary, points=[])) == {}


def test_ids_of_figures_on_one_page_do_not_clash(drawn):
    ids = [name for svg in drawn.values() for name in re.findall(r'\bid="([^"]+)"', svg)]
    assert len(ids) == len(set(ids))


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


@pytest.fixture
def with_gap(summary):
    """fastapi states a P99 of 90 ms at 71 rps and of 300 ms at 141, and none at 100, of which the
    judgement is given."""

    def build(judgement: str, saturated: bool = False) -> Summary:
        stored = json.loads(summary.model_dump_json())
        stated_ms = {71.0: 90.0, 100.0: None, 141.0: 300.0}
        points = [
            point
            for point in stored["points"]
            if point["contender"] == "fastapi" and point["rate_rps"] in stated_ms
        ]
        for point in points:
            point["findings"] = []
            point["metrics"]["latency_slo_ms"] = stated_ms[point["rate_rps"]]
            point["saturated"] = saturated and point["rate_rps"] == 100
        for capacity in stored["capacities"]:
            capacity["rates"] = [
                rate | {"judgement": judgement}
                for rate in capacity["rates"]
                if rate["rate_rps"] == 100
            ]
        return Summary.model_validate(stored | {"points": points})

    return build


def rising_lines(summary: Summary) -> list[tuple[list[float], str]]:
    """The rates at the ends of each line of fastapi in the latency figure, and how it is drawn."""
    color = look("fastapi").color
    return [
        (list(line.get_xdata()), line.get_linestyle())
        for axes in latency_figure(summary).axes
        for line in axes.lines
        if line.get_color() == color
        and line.get_linestyle() != "None"
        and len(line.get_xdata()) > 1
    ]


def test_no_line_passes_the_slo_below_a_certified_rate(with_gap):
    assert rising_lines(with_gap("certified")) == []


def test_a_line_past_a_rate_that_states_no_percentile_is_dotted(with_gap):
    assert rising_lines(with_gap("not_enough_evidence")) == [([71.0, 141.0], ":")]


def test_no_line_leads_back_to_a_rate_at_which_a_contender_saturated(with_gap):
    found = rising_lines(with_gap("not_enough_evidence", saturated=True))
    assert found == [([71.0, 141.0], ":")]


def test_a_line_is_cut_where_a_tested_rate_between_has_no_value(with_gap):
    points = open_points(with_gap("not_met"))["fastapi"]
    runs = segments(points, lambda point: point.metrics.latency_slo_ms)
    assert [[point.rate_rps for point in run] for run in runs] == [[71.0], [141.0]]


def test_every_figure_names_its_axes(summary, gpu_summary):
    drawn = [draw(of) for draw in DRAWN.values() for of in (summary, gpu_summary)]
    assert {engine_figure, gpu_figure, omission_figure} <= set(DRAWN.values())
    for figure in filter(None, drawn):
        shown = [axes for axes in figure.axes if axes.xaxis.get_tick_params()["labelbottom"]]
        assert shown[-1].get_xlabel()
        for axes in shown:
            # Rows of contenders need no title; other axes say their unit or what they count.
            rows = any(label.get_text() in SEQUENCE for label in axes.get_yticklabels())
            assert rows or axes.get_ylabel()


SEQUENCE = ("fastapi", "fastapi-tuned", "fastapi-onnx", "litserve", "triton", "hybrid", "broken")


def test_the_omission_figure_says_in_its_title_how_much_would_be_hidden(summary):
    late = json.loads(summary.model_dump_json())
    for point in late["points"]:
        if (point["contender"], point["level"]) == ("fastapi", "100rps"):
            point["metrics"] |= {"latency_p99_ms": 40.0, "service_time_p99_ms": 30.0}
    figure = omission_figure(Summary.model_validate(late))
    (axes,) = figure.axes
    assert (
        axes.get_title(loc="left")
        == "Counting from sending would hide at most 25.0\N{NO-BREAK SPACE}% of P99"
    )
    assert "25.0\N{NO-BREAK SPACE}% at 100 rps" in [text.get_text() for text in axes.texts]
