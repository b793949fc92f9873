"""What the questions ask for, how callers are counted, and a few asked of the real server."""

import re
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from loadtests.records.questions import Answer, Case
from loadtests.selfcheck import triton_beside, triton_queueing
from loadtests.selfcheck.question_models import question_models
from loadtests.selfcheck.triton_batching import LENGTHS
from loadtests.selfcheck.triton_bench import ANSWERED, bench
from loadtests.selfcheck.triton_load import Asked, case, closed_loop
from loadtests.selfcheck.triton_questions import QUESTIONS, _cache, answered, main, said
from servers.contract import LENGTH_BUCKETS
from servers.triton_service.checks import parse_config


def test_every_model_that_is_asked_is_a_valid_configuration() -> None:
    for model in question_models():
        assert model.config is not None
        assert parse_config(model.config, model.folder).name == model.folder


def test_what_a_question_loads_exists_in_the_repository() -> None:
    known = {model.folder for model in question_models()}
    sources = Path(__file__).parents[3] / "loadtests" / "selfcheck"
    asked = {
        name
        for file in ("triton_batching.py", "triton_beside.py", "triton_transport.py")
        for name in re.findall(r'load\("([a-z0-9-]+)"\)', (sources / file).read_text())
    }
    assert {"alone", "wide"} & asked
    assert asked <= known


def test_every_length_has_a_bucket() -> None:
    assert len(set(LENGTHS)) == 32
    assert max(LENGTHS) <= max(LENGTH_BUCKETS)


def test_callers_ask_again_when_they_are_answered_and_the_last_request_of_each_is_left_out() -> (
    None
):
    def ask(_: int) -> str:
        time.sleep(0.02)
        return ANSWERED

    asked = closed_loop(ask, 3, 0.2)
    assert {each.caller for each in asked} == {0, 1, 2}
    assert 3 <= len(asked) <= 30
    assert all(each.took_s >= 0.02 for each in asked)


def test_a_case_counts_refusals_and_times_answers_alone() -> None:
    asked = [Asked(0, ANSWERED, 0.01)] * 40 + [Asked(1, "full", 9.0)] * 5
    found = case("c", asked, lasting_s=2.0, rows=3)
    assert found.values == {"rows_per_s": 60.0, "p50_ms": pytest.approx(10.0), "p99_ms": None}
    assert found.said == {ANSWERED: 40, "full": 5}


def test_a_question_that_cannot_be_asked_is_left_out_with_its_reason() -> None:
    found = answered(
        "perf-analyzer", Mock(side_effect=FileNotFoundError("expected it,\n found none"))
    )
    assert (found.cases, found.left_out) == ([], "expected it, found none")
    assert said(found).startswith("perf-analyzer, 0 s: expected it, found none")


def test_what_was_found_is_shown_with_figures_and_words() -> None:
    shown = Case(case="c", values={"p50_ms": 1.25, "p99_ms": None}, said={ANSWERED: 2})
    line = said(Answer(question="q", seconds=1, cases=[shown])).splitlines()[1]
    assert line == "  c: p50_ms 1.25, p99_ms -, 2 x answered"


def test_an_unknown_question_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["folder", "--only", "weather"])
    refused = capsys.readouterr().err
    assert [name for name in QUESTIONS if name not in refused] == []


@pytest.mark.live
def test_the_real_server_is_asked(plain_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with bench(plain_tmp_path, question_models(), _cache()) as running:
        policies = list(triton_queueing.queue_policy(running))
        dead = list(triton_beside.dead_stub(running))
    assert len(policies) == 12
    assert policies[0].said == {ANSWERED: triton_queueing.AT_ONCE}
    before, killed, *_, last = dead
    assert [list(each.said) == [ANSWERED] for each in (before, killed, last)] == [True, False, True]
