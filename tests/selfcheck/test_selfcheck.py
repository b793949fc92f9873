"""What a check says of runs whose rows follow their laws exactly, and of a harness that errs."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from analysis.compare.verdicts import Verdict
from analysis.selfcheck.__main__ import (
    OF_CLIENT_OR_MACHINE,
    main,
    paired,
    planted_reason,
    self_check,
)
from analysis.selfcheck.findings import SelfCheck
from analysis.selfcheck.laws import read_law
from analysis.selfcheck.tables import markdown
from analysis.validity.reasons import Reason
from analysis.validity.trials import judge_trials
from loadtests.records.stored import RecordError
from loadtests.records.trials import MachineState
from loadtests.spec.contenders import resolve_contenders
from loadtests.spec.file import read_experiment

STALL = {"service_ms": 2.0, "stall_every_ms": 3000.0, "stall_ms": 200.0}


def test_what_a_faultless_harness_measures_is_within_tolerance(simulated_run, law_options) -> None:
    simulated_run.add("fixed", law_options(service_ms=7.0))
    simulated_run.add("stall", law_options(**STALL))
    check = self_check(simulated_run.read())
    for row in check.latencies:
        assert row.difference_ms == pytest.approx(0.4, abs=0.01)
        assert row.within
        assert row.n_certified == 3
    assert check.failures == []


def from_sending(rows):
    """The rows of a client that waits for each reply before it sends the next request, and counts
    from sending: what coordinated omission leaves."""
    latency_s = (rows["done_s"] - rows["scheduled_s"]).to_numpy()
    done_s = rows["scheduled_s"].to_numpy() + latency_s
    sent_s = np.maximum(rows["scheduled_s"].to_numpy(), np.concatenate([[0], done_s[:-1]]))
    return rows.assign(done_s=rows["scheduled_s"] + np.maximum(done_s - sent_s, 0.0))


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (from_sending, "coordinated omission"),
        (lambda rows: rows.assign(done_s=rows["done_s"] + 0.05), "50 ms too many"),
        (
            lambda rows: rows.assign(done_s=rows["done_s"].clip(upper=rows["scheduled_s"] + 0.1)),
            "cut",
        ),
    ],
    ids=["counts from sending", "adds time", "cuts the tail off"],
)
def test_a_systematic_error_of_the_client_is_told(
    simulated_run, law_options, spoil, error: str
) -> None:
    simulated_run.add("stall", law_options(**STALL), spoil=spoil)
    check = self_check(simulated_run.read())
    assert check.failures == ["latency of stall"], error


def test_a_machine_that_was_late_is_blamed_for_a_difference_not_the_harness(
    simulated_run, law_options
) -> None:
    simulated_run.add(
        "stall",
        law_options(**STALL),
        spoil=lambda rows: rows.assign(done_s=rows["done_s"] + 0.05),
        late_ms=60.0,
    )
    check = self_check(simulated_run.read())
    assert not check.latencies[0].within
    assert check.failures == []
    assert "machine too late to tell" in markdown(check)


def test_verdicts_between_laws_are_those_of_the_truth(simulated_run, law_options) -> None:
    simulated_run.add("reference", law_options(service_ms=7.0))
    simulated_run.add("equal", law_options(service_ms=7.0))
    simulated_run.add("slower", law_options(service_ms=8.5))
    simulated_run.add("quicker", law_options(service_ms=4.0))
    found = {row.contender: row for row in self_check(simulated_run.read()).comparisons}
    assert {name: row.verdict for name, row in found.items()} == {
        "equal": Verdict.NO_MATERIAL_DIFFERENCE,
        "slower": Verdict.WORSE,
        "quicker": Verdict.BETTER,
    }
    assert all(row.verdict is row.expected for row in found.values())


def test_a_false_verdict_is_told(simulated_run, law_options) -> None:
    simulated_run.add("reference", law_options(service_ms=7.0))
    simulated_run.add(
        "equal",
        law_options(service_ms=7.0),
        spoil=lambda rows: rows.assign(done_s=rows["done_s"] + 0.05),
    )
    assert "verdict on equal" in self_check(simulated_run.read()).failures


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"service_ms": 13.0}, Reason.SATURATED),
        ({"service_ms": 2.0, "leak_ms": 0.012}, Reason.DRIFT),
        ({"errors_from": 200, "errors_to": 240}, Reason.ERRORS),
        ({"drop_every": 50}, Reason.ERRORS),
        ({"miscount_every": 20}, Reason.COUNTS_DISAGREE),
        ({"answer": "wrong"}, Reason.PARITY_BROKEN),
    ],
)
def test_each_planted_fault_raises_its_reason_in_every_trial(
    simulated_run, law_options, changes, reason: Reason
) -> None:
    simulated_run.add("faulty", law_options(**changes))
    (found,) = self_check(simulated_run.read()).detections
    assert found.planted is reason
    assert (found.n_found, found.n_trials) == (3, 3)


def test_a_fault_need_not_be_found_in_a_slice_that_was_disturbed_and_made_again(
    simulated_run, law_options
) -> None:
    errors = law_options(errors_from=200, errors_to=240)
    simulated_run.add("errors", errors)
    simulated_run.add(
        "errors",
        errors,
        repeats=1,
        spoil=lambda rows: rows.assign(status="ok"),
        trial_id="r1-errors-disturbed",
        machine=MachineState(idle_cpu_share=0.5),
        cores={"server": (0,)},
    )
    (found,) = self_check(simulated_run.read()).detections
    assert (found.n_found, found.n_trials) == (3, 3)


def test_a_service_that_cannot_start_is_not_ready(simulated_run, law_options) -> None:
    simulated_run.add("broken", law_options(), status="failed", reason="exited with code 1")
    run = simulated_run.read()
    for trial in run.trials:
        trial.record.contender["options"]["distribution"] = "none"
    (found,) = self_check(run).detections
    assert (found.planted, found.n_found) == (Reason.NOT_READY, 3)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda rows: rows.iloc[::2], Reason.LITTLES_LAW_VIOLATED),
        (lambda rows: rows.assign(done_s=rows["sent_s"] - 1), Reason.LITTLES_LAW_VIOLATED),
        (lambda rows: rows.iloc[::2], Reason.ARRIVALS_NOT_REPLAYED),
        (lambda rows: rows.assign(sent_s=rows["sent_s"] + 0.006), Reason.SEND_LAG),
    ],
    ids=["rows lost", "a clock that jumped", "requests not sent", "a late client"],
)
def test_each_fault_of_the_harness_raises_its_reason(
    simulated_run, law_options, spoil, reason: Reason
) -> None:
    simulated_run.add("fixed", law_options(service_ms=7.0), spoil=spoil, repeats=1)
    (judged,) = judge_trials(simulated_run.read(), [])
    assert reason in {finding.reason for finding in judged.result.findings}


def test_a_sound_service_raises_no_alarm(simulated_run, law_options) -> None:
    simulated_run.add("fixed", law_options(service_ms=7.0))
    (found,) = self_check(simulated_run.read()).detections
    assert (found.planted, found.false_alarms) == (None, [])


def test_a_reason_that_is_not_found_is_told(simulated_run, law_options) -> None:
    simulated_run.add("errors", law_options(errors_from=0, errors_to=20))  # all in the warm-up
    assert self_check(simulated_run.read()).failures == ["fault of errors"]


def check_at(load: float, simulated_run, law_options, n: int = 30) -> SelfCheck:
    simulated_run.add("fixed", law_options(service_ms=load * 10.0), repeats=n)
    return self_check(simulated_run.read())


def test_slices_in_which_a_queue_settles_flatter_nothing(simulated_run, law_options) -> None:
    (row,) = check_at(0.5, simulated_run, law_options).slices
    assert (row.n_slices, row.load) == (30, 0.5)
    assert row.settled_low_share < row.over_share < row.settled_high_share
    assert row.slices_p99_ms == pytest.approx(row.long_run_p99_ms, rel=0.1)
    assert not row.certified


def test_slices_that_end_before_their_queue_has_filled_are_told(simulated_run, law_options) -> None:
    # At 97 % load it remembers for 20 s and more.
    check = check_at(0.97, simulated_run, law_options, n=120)
    (row,) = check.slices
    assert row.flattered
    assert f"**{row.over_share:.2%}**" in markdown(check)


def test_arrivals_that_were_sent_twice_count_once(simulated_run, law_options) -> None:
    simulated_run.add("fixed", law_options(), repeats=2)
    simulated_run.add("fixed", law_options(), repeats=1, trial_id="r1-fixed-100rps-2")
    (row,) = self_check(simulated_run.read()).slices
    assert row.n_slices == 2


def test_a_certificate_at_the_bound_itself_is_a_failure(simulated_run, law_options) -> None:
    check = check_at(0.5, simulated_run, law_options)
    (row,) = check.slices
    false = check.model_copy(update={"slices": [row.model_copy(update={"certified": True})]})
    assert (check.failures, false.failures) == ([], ["certificate of fixed"])


def test_slices_with_the_same_service_times_are_not_compared_with_the_long_run(
    simulated_run, law_options
) -> None:
    simulated_run.add("exponential", law_options(distribution="exponential"))
    assert self_check(simulated_run.read()).slices == []


def search(simulated_run, options, **changes) -> None:
    for rate_rps in (40, 60, 80, 100, 120):
        trial = {"repeats": 2, "rate_rps": float(rate_rps), "purpose": "search"}
        simulated_run.add("fixed", options, **trial, **changes)


def test_a_capacity_found_on_exact_rows_is_judged_right(simulated_run, law_options) -> None:
    search(simulated_run, law_options(service_ms=7.0))
    (row,) = self_check(simulated_run.read()).capacities
    assert row.n_right == row.n_clear >= 3
    # M/D/1 with 7 ms reaches a P99 of 50 ms a little below 100/s.
    assert row.true_rps == pytest.approx(97, abs=3)
    assert row.not_met_rps is not None
    assert row.estimate_rps == pytest.approx(row.true_rps, rel=0.15)
    assert not row.wrong


def test_a_certified_rate_that_the_law_does_not_sustain_is_told(simulated_run, law_options) -> None:
    search(simulated_run, law_options(service_ms=7.0))
    (row,) = self_check(simulated_run.read()).capacities
    assert row.model_copy(update={"certified_rps": 1.05 * row.true_rps}).wrong


def test_a_search_that_judges_rates_wrongly_is_told(simulated_run, law_options) -> None:
    def half(rows):
        return rows.assign(done_s=(rows["done_s"] + rows["sent_s"]) / 2)

    search(simulated_run, law_options(service_ms=7.0), spoil=half)
    assert "capacity of fixed" in self_check(simulated_run.read()).failures


def test_every_table_says_that_its_services_are_simulated(simulated_run, law_options) -> None:
    simulated_run.add("fixed", law_options())
    simulated_run.add("equal", law_options())
    text = markdown(self_check(simulated_run.read()))
    headers = [line for line in text.splitlines() if line.startswith("| simulated")]
    assert len(headers) == 4


def test_a_run_without_simulated_services_is_refused_in_one_sentence(
    simulated_run, law_options
) -> None:
    simulated_run.add("fixed", law_options(), contender={"name": "a", "protocol": "http-json"})
    with pytest.raises(RecordError, match="expected open-loop trials of a simulated"):
        self_check(simulated_run.read())


def test_bad_input_is_a_sentence_and_exit_code_2(
    tmp_path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    assert main([]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_the_proof_experiment_plants_every_reason_that_a_service_can_raise(root) -> None:
    experiment = read_experiment(root / "loadtests" / "experiments" / "selfcheck.toml")
    contenders = resolve_contenders(experiment)
    planted = {
        planted_reason(read_law({"options": contenders[name].options}), 100.0)
        for name in experiment.contenders
    }
    of_service = set(Reason) - OF_CLIENT_OR_MACHINE - {Reason.LITTLES_LAW_VIOLATED}
    assert planted == of_service | {None}


@pytest.mark.parametrize("name", ["selfcheck", "selfcheck-load", "selfcheck-capacity"])
def test_the_experiments_of_the_proof_use_simulated_services_only(root, name: str) -> None:
    experiment = read_experiment(root / "loadtests" / "experiments" / f"{name}.toml")
    contenders = resolve_contenders(experiment)
    assert {contenders[each].server for each in experiment.contenders} == {"simulated_service"}


def test_the_true_ratio_is_that_of_the_rounds_in_which_both_are_usable() -> None:
    def replayed(number: int, usable: bool = True) -> Any:
        result = SimpleNamespace(repeat=number, usable=usable)
        return SimpleNamespace(judged=SimpleNamespace(result=result))

    base = [replayed(1), replayed(2, usable=False), replayed(3)]
    others = [replayed(1), replayed(2), replayed(3, usable=False), replayed(3)]
    before, after = paired(base, others)
    assert before == [base[0], base[2]]
    assert after == [others[0], others[3]]
    assert paired(base[1:2], others) == (base[1:2], others)
