import json
import re
from types import SimpleNamespace

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from analysis.compare.intervals import Metric
from analysis.report.figures.catalogue import DRAWN, figures
from analysis.report.figures.coordinated_omission import omission_figure
from analysis.report.figures.engines import engine_figure
from analysis.report.figures.gpu import gpu_figure
from analysis.report.figures.intervals import capacity_figure, forest_figure
from analysis.report.figures.rate_curves import throughput_figure
from analysis.report.figures.style import look, spread
from analysis.report.figures.tail_latency import interval_ms, latency_figure, sparse
from analysis.report.figures.waterfall import waterfall_figure
from analysis.report.summary import Summary
from analysis.report.words.codes import said
from analysis.report.words.decision import objective
from analysis.report.words.numbers import times
from servers.discovery import discover


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
    names = ["capacity", "waterfall", "latency", "throughput", "utilisation", "overload"]
    names += ["omission", "forest", "machine"]
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


def test_the_latency_figure_names_the_slo_and_the_rate_each_contender_is_certified_at(
    summary, drawn
):
    shown = words(drawn["latency"])
    assert "SLO 100 ms" in shown
    for capacity in summary.capacities:
        if capacity.slo == summary.manifest.experiment.slo:
            certified = capacity.certified_rps
            said = f"certified to {certified:g} rps" if certified else "none certified"
            assert f"{capacity.contender} {said}" in shown


def test_the_waterfall_names_each_change_with_its_ratio(summary, drawn):
    shown = words(drawn["waterfall"])
    for step in summary.ablation:
        if step.capacity.ratio:
            change = " + ".join(map(said, step.changes))
            assert f"{change} {times(step.capacity.ratio)}" in shown


def test_each_bar_of_the_waterfall_begins_where_the_one_before_ended(summary):
    (step,) = summary.ablation[:1]
    ends = {"low": 1.5, "ratio": 2.0, "high": 3.0}
    twice = step.model_copy(update={"capacity": step.capacity.model_copy(update=ends)})
    again = twice.model_copy(update={"before": twice.after, "after": "c"})
    apart = twice.model_copy(update={"before": "d", "after": "e"})
    figure = waterfall_figure(summary.model_copy(update={"ablation": [twice, again, apart]}))
    bars = [line.get_xdata() for line in figure.axes[0].lines if line.get_linewidth() == 9]
    assert [list(bar) for bar in bars] == [[1.0, 2.0], [2.0, 4.0]]


def test_figures_without_anything_to_show_are_left_out(summary):
    few = changed(summary, capacities=[], comparison=[])
    assert "capacity" not in figures(few)
    assert "waterfall" not in figures(changed(summary, ablation=[]))
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
def stating(summary):
    """The summary in which fastapi alone has points, at these rates, each with a P99 or without."""

    def build(stated_ms: dict[float, float | None], **changes) -> Summary:
        stored = json.loads(summary.model_dump_json())
        point = next(p for p in stored["points"] if p["contender"] == "fastapi" and p["metrics"])
        points = [
            point
            | {"rate_rps": rate_rps, "findings": [], "saturated": ms is None}
            | {"metrics": point["metrics"] | {"latency_slo_ms": ms, "latency_p99_ms": ms}}
            for rate_rps, ms in stated_ms.items()
        ]
        return Summary.model_validate(stored | {"points": points, "capacities": []} | changes)

    return build


def lines_of(summary: Summary) -> list[list[float]]:
    """The rates along each line of fastapi in the latency figure; a stroke has one rate twice."""
    return [
        list(line.get_xdata())
        for axes in latency_figure(summary).axes
        for line in axes.lines
        if line.get_color() == look("fastapi").color
        and line.get_linestyle() == "-"
        and line.get_transform() == axes.transData
        and len(set(line.get_xdata())) == len(line.get_xdata())
    ]


def test_a_line_joins_neighbouring_rates_and_never_leads_back(stating):
    assert lines_of(stating({71.0: 90.0, 100.0: 120.0, 141.0: 300.0})) == [[71.0, 100.0, 141.0]]


def test_no_line_passes_a_tested_rate_that_states_no_percentile(stating):
    assert lines_of(stating({71.0: 90.0, 100.0: None, 141.0: 300.0})) == [[71.0], [141.0]]


def test_no_line_crosses_rates_that_nobody_tested(stating):
    assert lines_of(stating({71.0: 90.0, 141.0: 300.0})) == [[71.0], [141.0]]


def test_an_interval_of_p99_is_drawn_where_a_usable_point_states_one():
    p99 = SimpleNamespace(latency_slo_ms=90.0, latency_p99_ms=90.0)
    point = SimpleNamespace(metrics=p99, usable=True, p99_low_ms=80.0, p99_high_ms=110.0)
    assert interval_ms(point) == [80.0, 110.0]
    assert interval_ms(SimpleNamespace(**vars(point) | {"p99_high_ms": None})) == [80.0, 90.0]
    assert interval_ms(SimpleNamespace(**vars(point) | {"p99_low_ms": None})) == []
    p95 = SimpleNamespace(latency_slo_ms=60.0, latency_p99_ms=90.0)
    assert interval_ms(SimpleNamespace(**vars(point) | {"metrics": p95})) == []


def test_every_figure_names_its_axes(summary, gpu_summary):
    drawn = [draw(of) for draw in DRAWN.values() for of in (summary, gpu_summary)]
    assert {engine_figure, gpu_figure, omission_figure} <= set(DRAWN.values())
    for figure in filter(None, drawn):
        shown = [axes for axes in figure.axes if axes.xaxis.get_tick_params()["labelbottom"]]
        assert shown[-1].get_xlabel() or figure.get_supxlabel()
        for axes in shown:
            # Rows of contenders need no title; other axes say their unit or what they count.
            rows = any(label.get_text() in SEQUENCE for label in axes.get_yticklabels())
            assert rows or axes.get_ylabel() or figure.get_supylabel()


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


def test_the_longest_name_of_a_contender_stands_within_each_figure(summary):
    longest = max(discover(), key=len)
    renamed = summary.model_dump_json().replace('"fastapi-tuned"', f'"{longest}"')
    summary = type(summary).model_validate_json(renamed)
    for draw in (latency_figure, throughput_figure, capacity_figure, forest_figure):
        figure = draw(summary)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        named = [text for text in figure.findobj(Text) if longest in text.get_text()]
        assert named
        for text in named:
            extent = text.get_window_extent(canvas.get_renderer())
            assert figure.bbox.x0 <= extent.x0 < extent.x1 <= figure.bbox.x1, draw


def point_at(rate_rps, n_ok, stated_ms=90.0):
    metrics = SimpleNamespace(n_ok=n_ok, latency_slo_ms=stated_ms)
    return SimpleNamespace(rate_rps=rate_rps, usable=True, metrics=metrics)


def rates(points) -> list[float]:
    return [point.rate_rps for point in points]


def test_of_rates_near_each_other_the_one_with_the_most_requests_is_drawn():
    fine = [point_at(100 * 1.05**k, 90 if k % 4 == 0 else 10) for k in range(17)]
    assert rates(sparse(fine, None)) == rates(fine[::4])


def test_five_stated_rates_are_drawn_where_there_are_as_many_up_to_a_rate():
    closer = [point_at(rate, rate) for rate in (100, 105, 111, 117, 124, 130, 137, 300)]
    assert rates(sparse(closer, 200.0)) == [100, 105, 111, 117, 124, 130, 137]
    spread_out = [point_at(rate, 9) for rate in (100, 112, 125, 140, 157, 176)]
    assert rates(sparse(spread_out, 200.0)) == [100, 112, 125, 140, 157, 176]
    assert rates(sparse(closer[:3], None)) == [100, 105, 111]


def test_a_tested_rate_that_states_nothing_still_cuts_the_line():
    tested = [point_at(100, 9), point_at(104, 99, stated_ms=None), point_at(130, 9)]
    assert rates(sparse(tested, None)) == [100, 104, 130]


def test_each_contender_of_the_latency_figure_has_a_panel_with_the_slo(summary):
    figure = latency_figure(summary)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    certified = {c.contender: c.certified_rps or 0 for c in summary.capacities[: len(titles)]}
    assert titles == sorted(certified, key=lambda name: -certified[name])
    for axes in figure.axes:
        assert [100.0, 100.0] in [list(line.get_ydata()) for line in axes.lines]
        assert axes.get_xlim() == figure.axes[0].get_xlim()
        assert axes.get_ylim() == figure.axes[0].get_ylim()
