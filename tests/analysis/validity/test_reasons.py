from dataclasses import replace

import numpy as np
import pytest

from analysis.capacity.load_points import Point, SloVerdict
from analysis.read.run import load_run
from analysis.report.summary import summarise
from analysis.validity.checks import TRIAL_CHECKS
from analysis.validity.reasons import EFFECTS, Reason
from loadtests.records.trials import CLIENT_LIMIT, Level, ParityRecord

AT_100 = Level("open", rate_rps=100.0)
SCHEDULED_S = np.arange(0.0, 13.0, 0.01)


@pytest.fixture
def point(new_run, contender, make_rows):
    """The point of one contender at 100 rps, good unless changed."""

    def build(
        lag_s: float = 0.0, latency_s=0.002, status="ok", ceiling_rps=4000, server=None, **changes
    ) -> Point:
        run = new_run(["one"], rates_rps=[100.0], steady_s=12.0)
        if ceiling_rps:
            run.calibrate("null-http", "http-json", ceiling_rps)
        rows = make_rows(SCHEDULED_S, SCHEDULED_S + lag_s, SCHEDULED_S + latency_s, status)
        run.add(server or contender("one", 0.002), rows, AT_100, **changes)
        return summarise(load_run(run.folder)).points[0]

    return build


def test_a_good_point_has_no_findings_and_meets_the_slo(point):
    good = point()
    assert good.findings == []
    assert good.usable
    assert good.slo_verdict is SloVerdict.MET


def test_late_sending_makes_a_point_unusable(point):
    late = point(lag_s=0.011, latency_s=0.013)
    assert late.reasons == {Reason.SEND_LAG}
    assert not late.usable
    assert late.slo_verdict is SloVerdict.UNDECIDED


def test_requests_that_failed_on_the_client_s_side_are_not_the_server_s_errors(point):
    status = np.where(np.arange(len(SCHEDULED_S)) % 4 == 3, CLIENT_LIMIT, "ok")
    limited = point(status=status)
    assert limited.reasons == {Reason.CLIENT_LIMIT, Reason.TOO_FEW_REQUESTS}
    assert not limited.usable
    assert limited.slo_verdict is SloVerdict.UNDECIDED


def test_sending_a_little_late_is_borne(point):
    assert point(lag_s=0.009, latency_s=0.011).findings == []


@pytest.mark.parametrize(("lag_s", "too_late"), [(0.09, False), (0.11, True)])
def test_a_saturated_point_bears_more_lag_because_it_states_no_latency(point, lag_s, too_late):
    waiting_s = SCHEDULED_S * 0.2 + 0.2
    saturated = point(lag_s=lag_s, latency_s=waiting_s)
    assert Reason.SATURATED in saturated.reasons
    assert (Reason.SEND_LAG in saturated.reasons) is too_late


def test_a_rate_above_half_the_client_s_ceiling_makes_a_point_unusable(point):
    near = point(ceiling_rps=199)
    assert near.reasons == {Reason.CLIENT_NEAR_CEILING}
    assert near.slo_verdict is SloVerdict.UNDECIDED
    assert near.stated_p99_ms is None


def test_an_uncalibrated_client_limits_claims_only(point):
    unknown = point(ceiling_rps=None)
    assert unknown.reasons == {Reason.CLIENT_UNCALIBRATED}
    assert unknown.usable


def test_a_saturated_point_is_usable_does_not_meet_the_slo_and_states_no_latency(point):
    waiting_s = SCHEDULED_S * 0.2 + 0.002  # the backlog grows by 0.2 s a second
    saturated = point(latency_s=waiting_s)
    assert saturated.reasons == {Reason.SATURATED}
    assert saturated.usable
    assert saturated.slo_verdict is SloVerdict.NOT_MET
    assert saturated.metrics.latency_p99_ms is None
    assert saturated.metrics.latency_mean_ms is None
    assert saturated.metrics.throughput_rps == pytest.approx(100 / 1.2, rel=0.02)


def test_errors_above_the_budget_mean_the_slo_is_not_met(point):
    failing = point(status=np.where(np.arange(1300) % 100 == 0, "http_500", "ok"))
    assert failing.reasons == {Reason.ERRORS}
    assert failing.slo_verdict is SloVerdict.NOT_MET


def test_latency_above_the_bound_means_the_slo_is_not_met(point):
    slow = point(latency_s=0.11)
    assert slow.findings == []
    assert slow.slo_verdict is SloVerdict.NOT_MET


def test_too_few_successes_decide_nothing(new_run, contender, make_rows):
    run = new_run(["one"], rates_rps=[100.0], steady_s=2.98)
    run.calibrate("null-http", "http-json", 4000)
    scheduled_s = SCHEDULED_S[:398]  # 298 of them in the steady state: 299 would prove it
    rows = make_rows(scheduled_s, scheduled_s, scheduled_s + 0.002)
    run.add(contender("one", 0.002), rows, AT_100)
    found = summarise(load_run(run.folder)).points[0]
    assert found.reasons == {Reason.TOO_FEW_REQUESTS}
    assert found.slo_verdict is SloVerdict.UNDECIDED
    assert found.metrics.latency_p99_ms is None


def test_999_successes_state_no_p99_and_prove_the_slo_all_the_same(new_run, contender, make_rows):
    run = new_run(["one"], rates_rps=[100.0], steady_s=9.99)
    run.calibrate("null-http", "http-json", 4000)
    scheduled_s = SCHEDULED_S[:1099]
    rows = make_rows(scheduled_s, scheduled_s, scheduled_s + 0.002)
    run.add(contender("one", 0.002), rows, AT_100)
    found = summarise(load_run(run.folder)).points[0]
    assert found.metrics.latency_p99_ms is None
    assert found.reasons == {Reason.TOO_FEW_REQUESTS}
    assert found.slo_verdict is SloVerdict.MET
    assert found.certified


def test_answers_that_differ_put_the_contender_out(point):
    wrong = point(parity=ParityRecord(20, 1, 0.4, "text 7: expected refund, found delivery"))
    assert wrong.reasons == {Reason.PARITY_BROKEN}
    assert wrong.slo_verdict is SloVerdict.EXCLUDED
    assert "refund" in wrong.findings[0].text


def test_answers_never_compared_put_the_contender_out(point):
    assert point(parity=None).slo_verdict is SloVerdict.EXCLUDED


def test_counts_that_disagree_make_a_point_unusable(point):
    odd = point(counters_before={"requests_ok": 0}, counters_after={"requests_ok": 1290})
    assert odd.reasons == {Reason.COUNTS_DISAGREE}
    assert odd.slo_verdict is SloVerdict.UNDECIDED


def test_a_request_counted_after_its_reply_is_no_disagreement(point):
    assert point(counters_before={"requests_ok": 0}, counters_after={"requests_ok": 1302}).usable


def test_the_server_may_have_answered_what_the_client_no_longer_waited_for(point):
    status = np.where(np.arange(1300) < 50, "timeout", "ok")  # in the warm-up: no error of the SLO
    fine = point(
        status=status, counters_before={"requests_ok": 5}, counters_after={"requests_ok": 1305}
    )
    assert fine.findings == []


def test_a_contender_that_failed_to_start_is_out_with_its_reason(new_run, contender):
    run = new_run(["one"], rates_rps=[100.0])
    run.add(contender("one", 0.1, fails="port 8000 is taken"), None, AT_100)
    failed = summarise(load_run(run.folder)).points[0]
    assert failed.reasons == {Reason.NOT_READY}
    assert failed.slo_verdict is SloVerdict.EXCLUDED
    assert failed.metrics is None
    assert failed.findings[0].text == "port 8000 is taken"


def test_a_level_that_was_not_measured_decides_nothing(new_run, contender, make_rows):
    run = new_run(["one"], rates_rps=[100.0, 200.0], steady_s=12.0)
    run.calibrate("null-http", "http-json", 4000)
    rows = make_rows(SCHEDULED_S, SCHEDULED_S, SCHEDULED_S + 0.002)
    run.add(contender("one", 0.002), rows, AT_100, repeat=1)
    found = summarise(load_run(run.folder)).points[1]
    assert found.reasons == {Reason.NOT_MEASURED}
    assert found.slo_verdict is SloVerdict.UNDECIDED


def test_one_invalid_slice_is_left_out_and_the_others_decide(new_run, contender, make_rows):
    run = new_run(["one"], rates_rps=[100.0], steady_s=12.0, repeats=2)
    run.calibrate("null-http", "http-json", 4000)
    server = contender("one", 0.002)
    run.add(server, make_rows(SCHEDULED_S, SCHEDULED_S, SCHEDULED_S + 0.002), AT_100, repeat=1)
    late = make_rows(SCHEDULED_S, SCHEDULED_S + 0.02, SCHEDULED_S + 0.022)
    run.add(replace(server), late, AT_100, repeat=2)
    found = summarise(load_run(run.folder)).points[0]
    assert found.usable
    assert found.slo_verdict is SloVerdict.MET
    assert (found.trial_ids, found.n_unused) == (["one-100rps-1"], 1)
    assert Reason.SEND_LAG not in found.reasons
    assert found.metrics.n_ok == 1200
    assert found.metrics.latency_max_ms == pytest.approx(2.0)


def test_every_reason_has_an_effect():
    assert set(EFFECTS) == set(Reason)
    assert set(TRIAL_CHECKS) <= set(Reason)
