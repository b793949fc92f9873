"""The figure of goodput against offered load."""

import pytest

from analysis.overload.beyond import Outcome
from analysis.report.figures.catalogue import figures
from analysis.report.figures.overload import joined, overload_figure
from analysis.report.figures.style import look


def panels(summary):
    """The plots by contender."""
    drawn = [axes for axes in overload_figure(summary).axes if axes.axison]
    return {axes.get_title(loc="left"): axes for axes in drawn}


def lines(axes, contender):
    """The points of each line of goodput, which are the thick ones."""
    own = [line for line in axes.lines if line.get_color() == look(contender).color]
    return [line.get_xydata().tolist() for line in own if line.get_linewidth() == 2.0]


def test_each_contender_tried_beyond_capacity_has_a_plot(overload_summary):
    assert list(panels(overload_summary)) == ["queues", "sheds", "collapses"]
    assert "overload" in figures(overload_summary)


def test_nothing_is_drawn_where_nothing_was_tried(overload_summary):
    untried = [b for b in overload_summary.beyond_capacity if b.outcome is Outcome.NOT_TRIED]
    assert overload_figure(overload_summary.model_copy(update={"beyond_capacity": untried})) is None


def test_goodput_is_drawn_in_multiples_of_the_contender_s_own_capacity(overload_summary):
    steady, beyond = lines(panels(overload_summary)["queues"], "queues")
    assert [x for x, _ in steady] == pytest.approx([0.25, 0.5, 0.75, 1.0], rel=0.05)
    assert [y for _, y in steady] == pytest.approx([0.25, 0.5, 0.75, 1.0], rel=0.05)
    assert [x for x, _ in beyond] == pytest.approx([1.0, 1.5, 2.0], rel=0.05)
    assert beyond[-1][1] == pytest.approx(40 / 400, abs=0.03)


def test_each_plot_says_the_rates_of_its_contender_and_what_each_line_is(overload_summary):
    axes = panels(overload_summary)["sheds"]
    ticks = [tick.get_text() for tick in axes.get_xticklabels()]
    assert ticks == ["0×\n0", "0.5×\n200", "1×\n400", "1.5×\n600", "2×\n800"]
    assert {text.get_text() for text in axes.texts} == {"ideal", "answered", "in time"}


def test_the_ideal_rises_to_capacity_and_stays_there(overload_summary):
    ideal = panels(overload_summary)["queues"].lines[0].get_xydata().tolist()
    assert ideal[:2] == [[0, 0], [1, 1]]
    assert ideal[2][1] == 1


def test_no_line_crosses_what_nobody_measured(overload_summary):
    points = [p for p in overload_summary.points if p.contender == "queues"]
    runs = joined([points[0], points[2], points[3]], lambda load: load.rate_rps / 250)
    assert [[load.rate_rps for load in run] for run in runs] == [[100.0], [300.0, 400.0]]


def test_a_line_is_cut_at_a_load_that_may_not_be_used(overload_summary):
    points = [p for p in overload_summary.points if p.contender == "queues"]
    unused = [f for t in overload_summary.trials for f in t.certificate if f.reason.unusable][0]
    cut = [points[0], points[1].model_copy(update={"findings": [unused]}), *points[2:]]
    runs = joined(cut, lambda load: load.rate_rps / 400)
    assert [[load.rate_rps for load in run] for run in runs] == [[100.0], [300.0, 400.0]]
