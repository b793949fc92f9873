import json
import re

import pytest

from analysis.figure_style import look, spread
from analysis.plots import figures
from analysis.summary import Summary


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
        assert str(capacity.slo) in shown
        if capacity.certified_rps:
            assert f"{capacity.certified_rps:g} rps" in shown
    assert "not certified" in shown


def test_the_forest_says_the_verdict_of_each_contender(summary, drawn):
    shown = words(drawn["forest"])
    for compared in summary.comparison:
        if compared.rate_rps == 100:
            ratio = compared.of("P99 latency")
            assert ratio.verdict in shown


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
