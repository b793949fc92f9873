from dataclasses import replace

import numpy as np
import pytest

from analysis.read.run import load_run
from analysis.report.cautions import Caution, Disturbed
from analysis.report.summary import Summary, summarise
from analysis.report.words.certificates import found as words_of
from analysis.validity.certificate import CheckOutcome
from analysis.validity.checks import TRIAL_CHECKS
from analysis.validity.found import Found
from analysis.validity.reasons import Reason
from loadtests.records.disturbance import Disturbance
from loadtests.records.trials import Level, ParityRecord

from ..synthetic import QUIET

AT_100 = Level("open", rate_rps=100.0)
SCHEDULED_S = np.arange(0.0, 13.0, 0.01)


@pytest.fixture
def summarised(new_run, contender, make_rows):
    """The summary of one trial at 100 rps, good unless its rows, telemetry or load are changed."""

    def build(keep=slice(None), latency_s=0.002, telemetry=None, **changes) -> Summary:
        run = new_run(["one"], rates_rps=[100.0], steady_s=12.0, **changes)
        run.telemetry_changes = telemetry or {}
        run.calibrate("null-http", "http-json", 4000)
        rows = make_rows(SCHEDULED_S, SCHEDULED_S, SCHEDULED_S + latency_s)
        run.add(contender("one", 0.002), rows.iloc[keep], AT_100)
        return summarise(load_run(run.folder))

    return build


@pytest.fixture
def certificate(summarised):
    def build(**changes):
        trial = next(t for t in summarised(**changes).trials if t.purpose == "measurement")
        return {check.reason: check for check in trial.certificate}

    return build


def test_a_good_trial_lists_every_check_with_its_value_and_bound(certificate):
    found = certificate()
    assert list(found) == list(TRIAL_CHECKS)
    assert not any(check.failed for check in found.values())
    lag = found[Reason.SEND_LAG]
    assert (lag.outcome, lag.measured, lag.bound, lag.unit) == (
        CheckOutcome.PASSED,
        0.0,
        10.0,
        "ms",
    )
    assert found[Reason.DRIFT].measured == pytest.approx(1.0)
    assert found[Reason.CLOCKS_THROTTLED].outcome is CheckOutcome.NOT_APPLICABLE


def test_a_calibration_has_a_certificate_too(summarised):
    trial = next(t for t in summarised().trials if t.purpose == "calibration")
    assert [check.reason for check in trial.certificate] == list(TRIAL_CHECKS)
    assert trial.usable


def test_lost_requests_fail_two_checks_and_make_the_trial_unusable(summarised):
    summary = summarised(keep=np.delete(np.arange(1300), np.arange(400, 440)))
    trial = next(t for t in summary.trials if t.purpose == "measurement")
    assert {f.reason for f in trial.findings} == {
        Reason.ARRIVALS_NOT_REPLAYED,
        Reason.LITTLES_LAW_VIOLATED,
    }
    assert not trial.usable
    assert summary.capacities[0].certified_rps is None


def test_one_lost_request_of_many_is_borne(certificate):
    found = certificate(keep=np.delete(np.arange(1300), [700]))
    assert not found[Reason.ARRIVALS_NOT_REPLAYED].failed
    assert not found[Reason.LITTLES_LAW_VIOLATED].failed


def test_a_generator_that_stopped_early_did_not_hold_the_rate(certificate):
    check = certificate(keep=slice(0, 1000))[Reason.ARRIVALS_NOT_REPLAYED]
    assert check.failed  # 900 of 1,200 expected, five standard deviations are 173
    assert check.measured == 900


def test_a_rate_that_chance_explains_passes(certificate):
    assert not certificate(keep=slice(0, 1200))[Reason.ARRIVALS_NOT_REPLAYED].failed


def test_a_clock_that_was_set_back_violates_littles_law(certificate):
    jumped_s = np.where((SCHEDULED_S > 5) & (SCHEDULED_S < 5.2), -2.0, 0.002)
    check = certificate(latency_s=jumped_s)[Reason.LITTLES_LAW_VIOLATED]
    assert check.failed
    assert check.measured == 19


def test_latency_that_keeps_rising_is_a_drift(certificate):
    rising_s = 0.002 + 0.001 * SCHEDULED_S
    check = certificate(latency_s=rising_s)[Reason.DRIFT]
    assert check.failed
    assert check.bound == 1.25


def test_latency_may_change_where_the_load_does(certificate):
    rising_s = 0.002 + 0.001 * SCHEDULED_S
    pattern = [{"relative_rate": rate, "duration_s": 3} for rate in (1, 2)]
    found = certificate(latency_s=rising_s, arrivals={"kind": "steps", "pattern": pattern})
    assert found[Reason.DRIFT].outcome is CheckOutcome.NOT_APPLICABLE


def test_a_saturated_trial_has_no_drift_to_speak_of(certificate):
    found = certificate(latency_s=0.2 * SCHEDULED_S + 0.002)
    assert found[Reason.SATURATED].failed
    assert found[Reason.DRIFT].outcome is CheckOutcome.NOT_APPLICABLE


def test_lowered_clocks_make_a_trial_unusable(certificate):
    assert certificate(telemetry={"gpu_throttle_reasons": 0x40})[Reason.CLOCKS_THROTTLED].failed


def test_a_gpu_that_keeps_its_clocks_passes(certificate):
    check = certificate(telemetry={"gpu_throttle_reasons": 0x04})[Reason.CLOCKS_THROTTLED]
    assert check.outcome is CheckOutcome.PASSED


def test_a_trial_that_failed_says_only_why(new_run, contender):
    run = new_run(["one"], rates_rps=[100.0])
    parity = ParityRecord(20, 3, 0.4, "text 7")
    run.add(contender("one", 0.1, fails="answers differ"), None, AT_100, parity=parity)
    (trial,) = summarise(load_run(run.folder)).trials
    assert [(c.reason, c.found, c.text) for c in trial.certificate] == [
        (Reason.PARITY_BROKEN, Found.TRIAL_FAILED, "answers differ")
    ]
    assert trial.metrics is None


@pytest.fixture
def beside_others(new_run, contender, make_rows):
    """The summary of a good trial of whose cores others had such shares."""

    def build(**changes) -> Summary:
        run = new_run(["one"], rates_rps=[100.0], steady_s=12.0)
        rows = make_rows(SCHEDULED_S, SCHEDULED_S, SCHEDULED_S + 0.002)
        run.add(contender("one", 0.002), rows, AT_100, **changes)
        return summarise(load_run(run.folder))

    return build


def disturbed_check(summary: Summary):
    (trial,) = summary.trials
    return next(c for c in trial.certificate if c.reason is Reason.MACHINE_DISTURBED)


def test_cores_that_went_to_others_make_a_trial_unusable_without_the_server_s_fault(beside_others):
    summary = beside_others(foreign_share={"server": 0.4, "load": 0.01})
    check = disturbed_check(summary)
    assert check.failed
    assert (check.measured, check.bound) == (0.4, 0.1)
    assert check.numbers == {"server_share": 0.4, "load_share": 0.01}
    assert not summary.trials[0].usable
    assert not summary.trials[0].server_may_be_at_fault
    assert Caution.DISTURBED in summary.warnings
    assert summary.disturbed == Disturbed(
        trial_ids=["one-100rps-1"], n_by_cause={Disturbance.OTHER_PROGRAMS: 1}
    )


OF_THE_MACHINE = (Reason.CORES_STOLEN, Reason.IDLE_CONTENDERS_BUSY, Reason.CORE_SLOWED)


def test_a_quiet_machine_passes_every_check_of_it(beside_others):
    summary = beside_others(foreign_share={"server": 0.02, "load": 0.01})
    (trial,) = summary.trials
    outcomes = {check.reason: check.outcome for check in trial.certificate}
    assert {outcomes[reason] for reason in OF_THE_MACHINE} == {CheckOutcome.PASSED}
    assert not trial.disturbed
    assert summary.disturbed.trial_ids == []


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [
        (
            {"steal_share": {"server": 0.08, "load": 0.0}},
            Reason.CORES_STOLEN,
            "taken for other guests: server 8.00 %, load generator 0 %; bound 3 %",
        ),
        (
            {"idle_cpu_share": 0.11, "idle_cpu_s": {"fastapi": 0.01, "litserve": 0.3}},
            Reason.IDLE_CONTENDERS_BUSY,
            "contenders without load used 11.0 % of the server's cores, most of it litserve; "
            "bound 5 %",
        ),
        (
            {"probe_ms": 18.0},
            Reason.CORE_SLOWED,
            "took 18.0 ms before the trial, 1.75 times the run's median of 10.3 ms; bound 1.3",
        ),
    ],
    ids=["other guests", "a contender that polls", "a slow core"],
)
def test_each_disturbance_of_the_machine_fails_its_check_alone_and_is_not_the_server_s_fault(
    beside_others, changes, reason, said
):
    (trial,) = beside_others(machine=replace(QUIET, **changes)).trials
    assert [check.reason for check in trial.findings if check.reason.unusable] == [reason]
    (check,) = (check for check in trial.certificate if check.reason is reason)
    assert said in words_of(check).replace("\N{NO-BREAK SPACE}", " ")
    assert trial.disturbed
    assert not trial.server_may_be_at_fault


def test_what_was_not_watched_of_the_machine_is_neither_passed_nor_failed(beside_others):
    (trial,) = beside_others(machine=None).trials
    outcomes = {check.reason: check.outcome for check in trial.certificate}
    assert {outcomes[reason] for reason in OF_THE_MACHINE} == {CheckOutcome.NOT_APPLICABLE}


def test_a_run_of_before_the_cores_were_read_is_not_passed(beside_others):
    check = disturbed_check(beside_others())
    assert check.outcome is CheckOutcome.NOT_APPLICABLE
    assert check.found is Found.CORES_NOT_RECORDED


def test_the_load_generator_s_cores_alone_do_not_pass_a_trial(beside_others):
    check = disturbed_check(beside_others(foreign_share={"server": None, "load": 0.02}))
    assert check.outcome is CheckOutcome.NOT_APPLICABLE
    assert check.numbers == {"load_share": 0.02}


def test_a_trial_in_which_nothing_was_due_has_neither_errors_nor_load_to_judge(certificate):
    found = certificate(keep=slice(0, 90))
    assert found[Reason.ERRORS].outcome is CheckOutcome.NOT_APPLICABLE
    assert found[Reason.SATURATED].outcome is CheckOutcome.NOT_APPLICABLE


def test_a_disturbed_calibration_is_no_ceiling(new_run, contender, make_rows):
    run = new_run(["one"], rates_rps=[100.0], steady_s=12.0)
    run.calibrate("null-http", "http-json", 150, foreign_share={"server": 0.0, "load": 0.5})
    rows = make_rows(SCHEDULED_S, SCHEDULED_S, SCHEDULED_S + 0.002)
    run.add(contender("one", 0.002), rows, AT_100)
    summary = summarise(load_run(run.folder))
    assert summary.ceilings == []
    assert Reason.CLIENT_NEAR_CEILING not in summary.points[0].reasons
    assert Reason.CLIENT_UNCALIBRATED in summary.points[0].reasons


def test_answers_that_were_compared_with_nothing_are_not_right(beside_others):
    none = ParityRecord(checked=0, mismatches=0, max_confidence_gap=None)
    assert Reason.PARITY_BROKEN in beside_others(parity=none).points[0].reasons
