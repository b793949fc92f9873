import numpy as np
import pandas as pd
import pytest

from analysis.steady.row_checks import inspect

INDEX = np.arange(1000)
SCHEDULED_S = INDEX * 0.01
START_S, END_S = 1.0, 9.0


def rows(keep=slice(None), latency_s=0.05, sent_after_s=0.0, done_s=None):
    scheduled_s = SCHEDULED_S[keep]
    done_s = scheduled_s + latency_s if done_s is None else done_s
    sent_s = scheduled_s + sent_after_s
    frame = pd.DataFrame({"request_index": INDEX[keep], "scheduled_s": scheduled_s})
    return inspect(frame.assign(sent_s=sent_s, done_s=done_s), START_S, END_S)


def test_whole_rows_obey_littles_law_exactly():
    found = rows()
    # 100 requests a second of 50 ms each: five in the system on average.
    assert found.little.in_system == pytest.approx(5.0)
    assert found.little.gap == pytest.approx(0.0, abs=1e-9)
    assert (found.n_missing, found.n_repeated, found.n_impossible) == (0, 0, 0)


def test_a_backlog_that_crosses_both_ends_of_the_window_is_accounted_for():
    found = rows(latency_s=0.5 + 0.3 * SCHEDULED_S)
    assert found.little.gap == pytest.approx(0.0, abs=1e-9)


def test_lost_rows_are_counted_and_break_littles_law():
    found = rows(keep=np.delete(INDEX, np.arange(300, 350)))
    assert found.n_missing == 50
    # 50 of the 800 requests of the window: the law expects one sixteenth more.
    assert found.little.gap == pytest.approx(50 / 800)


def test_doubled_rows_are_counted_and_break_littles_law():
    found = rows(keep=np.append(INDEX, np.arange(300, 350)))
    assert found.n_repeated == 50
    assert found.little.gap == pytest.approx(50 / 850)


def test_a_reply_before_its_request_is_impossible():
    done_s = SCHEDULED_S + 0.05
    done_s[500:510] -= 3.0  # the clock was set back
    assert rows(done_s=done_s).n_impossible == 10


def test_a_request_sent_well_before_its_time_is_impossible():
    assert rows(sent_after_s=-0.002).n_impossible == 1000
    assert rows(sent_after_s=-0.0005).n_impossible == 0


def test_unanswered_requests_are_left_out_of_both_sides():
    done_s = SCHEDULED_S + 0.05
    done_s[400:420] = np.nan
    found = rows(done_s=done_s)
    assert found.little.gap == pytest.approx(0.0, abs=1e-9)


def test_a_trial_without_answers_has_no_law():
    assert rows(done_s=np.full(1000, np.nan)).little is None
