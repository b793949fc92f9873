import pytest

from analysis.report.words.certificates import found, name
from analysis.report.words.codes import said
from analysis.report.words.reasons import MEANINGS, meaning
from analysis.validity.certificate import Check, CheckOutcome
from analysis.validity.found import Found
from analysis.validity.reasons import Reason


def told(kind: Found, **fields: object) -> str:
    check = Check.model_validate(
        {"reason": Reason.DRIFT, "outcome": CheckOutcome.PASSED, "found": kind} | fields
    )
    return found(check).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("kind", "fields", "sentence"),
    [
        (Found.TRIAL_FAILED, {"text": "port 8000 is taken"}, "port 8000 is taken"),
        (Found.TRIAL_FAILED, {}, "no reason was recorded"),
        (
            Found.CANARY_ANSWERED,
            {"measured": 3.21},
            "a canary inference was answered 3.2 s after the start",
        ),
        (
            Found.ANSWERS_COMPARED,
            {"measured": 2, "numbers": {"n_checked": 1200}, "text": "text 7: a, not b"},
            "2 of 1,200 answers differ; text 7: a, not b",
        ),
        (
            Found.RATE_NOT_HELD,
            {"measured": 900, "numbers": {"n_expected": 1200, "slack": 174.2}},
            "900 requests scheduled, 1,200 expected (more or less 174)",
        ),
        (Found.SEND_LAG, {"measured": 1.234, "bound": 10}, "P99 send lag 1.23 ms, bound 10 ms"),
        (
            Found.SUCCESSES_COUNTED,
            {"numbers": {"n_by_server": 1290, "n_by_client": 1300}},
            "server counts 1,290 successes, client 1,300",
        ),
        (
            Found.RATE_ANSWERED,
            {"measured": 95.8, "numbers": {"offered_rps": 90.2}},
            "95.8 rps answered, 90.2 rps offered",
        ),
        (
            Found.REQUESTS_FAILED,
            {"bound": 0.001, "numbers": {"n_failed": 3, "n_offered": 1000}},
            "3 of 1,000 requests failed, the SLO allows 0.1 %",
        ),
        (
            Found.CORES_SHARED,
            {"bound": 0.1, "numbers": {"load_share": 0.021}},
            "share of the cores used by others: server unknown, load generator 2.10 %; bound 10 %",
        ),
        (
            Found.P99_SPREAD,
            {"measured": 0.123, "bound": 0.05, "text": "a"},
            "P99 of a in the A/A test differs by 12.3 %, bound 5 %",
        ),
    ],
)
def test_a_check_is_told_with_what_was_measured_and_its_bound(kind, fields, sentence):
    assert told(kind, **fields) == sentence


def test_every_kind_of_finding_has_a_sentence_on_a_whole_run(gpu_summary, searched_summary):
    for summary in (gpu_summary, searched_summary):
        for trial in summary.trials:
            assert all(found(check) for check in trial.certificate)
        for point in summary.points:
            assert all(found(check) for check in point.certificate)


@pytest.mark.parametrize("kind", list(Found)[list(Found).index(Found.NOT_A_MODEL) :])
def test_every_reason_why_a_check_does_not_apply_is_a_sentence(kind):
    assert told(kind, text="a")


def test_every_reason_has_a_cause_and_a_remedy():
    assert set(MEANINGS) == set(Reason)
    assert meaning(Reason.NOT_MEASURED).endswith("Resume it: study run --resume RUN.")


@pytest.mark.parametrize("reason", Reason)
def test_a_check_is_named_by_what_holds_and_not_by_what_would_be_wrong(reason: Reason) -> None:
    assert name(reason)
    assert name(reason) != said(reason)
