"""The figure of the machine's own speed."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from analysis.read.run import load_run
from analysis.report.figures.catalogue import figures
from analysis.report.figures.machine import machine_figure
from analysis.report.figures.style import to_svg
from analysis.report.summary import Summary, summarise
from loadtests.records.trials import Level, MachineState

BEGAN = datetime(2026, 11, 29, 14, tzinfo=UTC)


@pytest.fixture
def with_probes(new_run, contender, make_rows):
    """The summary of trials ten seconds apart with such probes; None: it has none."""

    def build(*probes_ms: float | None, started_at: str | None = None) -> Summary:
        run = new_run(["one"], rates_rps=[100.0])
        scheduled_s = np.arange(0.0, 7.0, 0.01)
        rows = make_rows(scheduled_s, scheduled_s, scheduled_s + 0.002)
        for k, probe_ms in enumerate(probes_ms, start=1):
            began = (BEGAN + timedelta(seconds=10 * k)).isoformat()
            state = MachineState(probe_ms=probe_ms, usual_probe_ms=10.0) if probe_ms else None
            changes = {"machine": state, "started_at": began if started_at is None else started_at}
            run.add(contender("one", 0.002), rows, Level("open", rate_rps=100.0), k, **changes)
        return summarise(load_run(run.folder))

    return build


def words_of(summary: Summary) -> str:
    figure = machine_figure(summary)
    assert figure is not None
    return to_svg(figure, "machine")


def test_a_slow_probe_is_marked_and_the_disturbed_trials_are_counted(with_probes) -> None:
    figure = machine_figure(with_probes(10.0, 10.1, 9.9, 20.0))
    assert figure is not None
    (axes,) = figure.axes
    drawn = {line.get_marker(): list(line.get_ydata()) for line in axes.lines}
    assert drawn["x"] == [pytest.approx(50, abs=1)]
    assert len(drawn["."]) == 3
    assert "× disturbed:\n1 of 4" in {text.get_text() for text in axes.texts}


def test_both_axes_say_what_they_show(with_probes) -> None:
    svg = words_of(with_probes(10.0, 10.1))
    assert "time since the first trial (minutes)" in svg
    assert "of its median (%)" in svg
    assert "disturbed" not in svg


def test_a_run_without_probes_has_no_such_figure_and_all_the_others(with_probes) -> None:
    summary = with_probes(None, None)
    assert machine_figure(summary) is None
    assert "throughput" in figures(summary)
    assert "machine" not in figures(summary)


@pytest.mark.parametrize("moment", ["", "yesterday"])
def test_a_trial_that_does_not_say_when_it_began_is_left_out(with_probes, moment) -> None:
    assert machine_figure(with_probes(10.0, started_at=moment)) is None
