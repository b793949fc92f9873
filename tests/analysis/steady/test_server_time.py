"""Where the time of a request went: from the server's counters to the report."""

import numpy as np
import pandas as pd
import pytest

from analysis.read.run import load_run
from analysis.report.figures.catalogue import figures
from analysis.report.figures.server_time import PARTS
from analysis.report.render import render_report
from analysis.report.summary import Summary, summarise
from loadtests.records.trials import Level

MS = 1_000_000
N_OK = 700
PARTS_MS = {"tokenise_queue": 0.25, "tokenise": 1.0, "queue": 0.5, "network": 2.0}


def counters(request_ms: float, parts_ms: dict[str, float], n_ok: int) -> dict[str, int]:
    """After n_ok requests with these means, of a server that had answered 10 before the trial."""
    means_ms = {"request": request_ms, **parts_ms}
    return {"requests_ok": 10 + n_ok} | {
        f"{name}_ns": int((7 + mean * n_ok) * MS) for name, mean in means_ms.items()
    }


def answered_in_5_ms(make_rows) -> pd.DataFrame:
    scheduled_s = np.arange(0.0, 11.0, 0.01)
    return make_rows(scheduled_s, scheduled_s, scheduled_s + 0.005)


@pytest.fixture
def measured_times(measured, make_rows):
    rows = answered_in_5_ms(make_rows)

    def measure(parts_ms: dict[str, float]):
        found = measured(
            rows,
            counters_before=counters(4.0, parts_ms, 0),
            counters_after=counters(4.0, parts_ms, N_OK),
        )
        return found.server_time

    return measure


def test_each_part_is_the_growth_of_its_counter_over_the_successes(measured_times) -> None:
    found = measured_times(PARTS_MS)
    assert found.request_ms == pytest.approx(4.0)
    assert found.tokenise_queue_ms == pytest.approx(0.25)
    assert found.tokenise_ms == pytest.approx(1.0)
    assert found.queue_ms == pytest.approx(0.5)
    assert found.network_ms == pytest.approx(2.0)


def test_the_parts_add_up_to_the_mean_latency(measured_times) -> None:
    found = measured_times(PARTS_MS)
    assert found.other_ms == pytest.approx(0.25)
    assert found.outside_ms == pytest.approx(1.0)


def test_a_model_that_tokenises_itself_has_no_part_for_it(measured_times) -> None:
    found = measured_times({"queue": 0.5, "network": 2.0})
    assert found.tokenise_ms is None
    assert found.other_ms == pytest.approx(1.5)


def test_a_server_that_does_not_time_its_requests_has_no_parts(measured, make_rows) -> None:
    metrics = measured(
        answered_in_5_ms(make_rows),
        counters_before={"requests_ok": 0, "request_ns": None},
        counters_after={"requests_ok": 700, "request_ns": None},
    )
    assert metrics.server_time is None
    assert metrics.without_latency().server_time is None


@pytest.fixture
def timed(new_run, contender, make_rows) -> Summary:
    """Two contenders at one rate, of which one says where its time went."""
    run = new_run(["one", "two"], rates_rps=[100.0], steady_s=10.0)
    rows = answered_in_5_ms(make_rows)
    level = Level("open", rate_rps=100.0)
    for k in (1, 2, 3):
        run.add(contender("one", 0.002), rows, level, k)
        before, after = (counters(4.0, PARTS_MS, n) for n in (0, len(rows)))
        run.add(
            contender("two", 0.002), rows, level, k, counters_before=before, counters_after=after
        )
    return summarise(load_run(run.folder))


def test_the_report_has_a_row_and_a_bar_for_who_says_it(timed) -> None:
    html = render_report(timed)
    assert 'data-server-time="two 100rps"' in html
    assert 'data-server-time="one 100rps"' not in html
    drawn = figures(timed)["server_time"]
    assert all(label in drawn for label, _ in PARTS.values())
    assert "5.00 ms" in drawn
