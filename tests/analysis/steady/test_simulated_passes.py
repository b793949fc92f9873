"""Errors of simulated passes, from records to the report. Nothing here was measured."""

import re
from typing import Any

import pytest

from analysis.read.run import load_run
from analysis.report.render import render_report
from analysis.report.summary import Summary, summarise
from loadtests.records.trials import DeviceRecord, Level

from ..synthetic import SyntheticContender, open_loop_rows

LABEL = "simulated device: a card"
ERRORS = {1: (0.01, 0.04), 2: (0.015, 0.30), 3: (0.03, 0.01)}


@pytest.fixture
def summary(new_run: Any) -> Summary:
    run = new_run(["real", "replayed"], rates_rps=[100.0], repeats=len(ERRORS))
    run.calibrate("null-http", "http-json", 4000)
    real, replayed = SyntheticContender("real", 0.002), SyntheticContender("replayed", 0.002)
    run.simulate([real])
    for repeat, errors in ERRORS.items():
        rows = open_loop_rows(replayed, 100.0, run.steady_s, repeat)
        device = DeviceRecord(LABEL, 500, 0.2, *errors)
        run.add(replayed, rows, Level("open", rate_rps=100.0), repeat, simulated_device=device)
    return summarise(load_run(run.folder))


def test_the_errors_of_each_contender_are_summed_up_over_its_trials(summary: Summary) -> None:
    (found,) = summary.simulated_passes
    assert (found.contender, found.label, found.n_passes) == ("replayed", LABEL, 1500)
    assert (found.n_trials, found.n_within_bounds) == (3, 1)
    assert (found.error_p50, found.error_p99, found.worst_error_p99) == (0.015, 0.04, 0.30)


def test_the_report_has_them_and_says_nothing_where_nothing_is_simulated(
    summary: Summary,
) -> None:
    html = render_report(summary)
    row = re.search(r'<tr data-passes="replayed">.*?</tr>', html, re.DOTALL)
    assert row
    cells = [re.sub("<[^>]+>", "", cell) for cell in re.findall("<td.*?</td>", row[0])]
    assert cells[1:4] == ["1,500", "3", "1"]
    assert [cell.split("\N{NO-BREAK SPACE}")[0] for cell in cells[4:7]] == ["1.50", "4.00", "30.0"]
    bare = render_report(summary.model_copy(update={"simulated_passes": []}))
    assert "Timing of the simulated passes" in html
    assert "Timing of the simulated passes" not in bare
