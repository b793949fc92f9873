"""What is asked of Triton, when again, and what never: against a Triton that is played."""

from typing import Any

import numpy as np
import pytest

from servers.triton_service.client.chain import Step
from servers.triton_service.client.errors import (
    AnswerError,
    BusyError,
    ClientError,
    FailedError,
    LateError,
    RefusedError,
    UnreachableError,
    UsageError,
)
from servers.triton_service.client.health import Health
from servers.triton_service.client.waiting import Deadline, Retry, Terms

from .played import ANSWER, PlayedTriton, Result

DESCRIBED = ["get_model_metadata", "get_model_config"]


def test_a_model_is_described_once_and_asked_from_then_on() -> None:
    triton = PlayedTriton(ANSWER, ANSWER)
    assert triton.infer()["Y"].tolist() == [[7, 7, 7, 7]]
    triton.infer()
    assert triton.asked == [*DESCRIBED, "infer", "infer"]


def test_what_does_not_fit_is_not_sent() -> None:
    triton = PlayedTriton()
    with pytest.raises(UsageError, match=r"expected the shape \[1 to 8, 4\], found \[1, 5\]"):
        triton.infer(width=5)
    assert triton.asked == DESCRIBED


def test_nothing_is_refused_by_what_a_model_was_like_before_it_was_loaded_anew() -> None:
    triton = PlayedTriton(ANSWER, Result(Y=np.zeros((1, 5), np.int64)))
    triton.infer()
    triton.width = 5
    assert triton.infer(width=5)["Y"].shape == (1, 5)


def test_an_answer_of_a_model_that_was_loaded_anew_is_compared_with_its_new_description() -> None:
    triton = PlayedTriton(ANSWER, Result(Y=np.zeros((1, 6), np.int64)))
    triton.infer()
    triton.width = 6
    assert triton.infer()["Y"].shape == (1, 6)


def test_an_answer_that_is_not_as_described_is_an_error() -> None:
    with pytest.raises(AnswerError, match=r"expected INT64 \[1, 4\], found INT64 \[1, 6\]"):
        PlayedTriton(Result(Y=np.zeros((1, 6), np.int64))).infer()


@pytest.mark.parametrize("lost", [BusyError("full"), UnreachableError("gone")])
def test_what_was_not_answered_is_asked_again_where_that_is_asked_for(lost: ClientError) -> None:
    triton = PlayedTriton(lost, lost, ANSWER)
    assert triton.infer(retry=Retry(attempts=3))["Y"].tolist() == [[7, 7, 7, 7]]
    assert [0.025 <= triton.pauses_s[0] <= 0.05, 0.05 <= triton.pauses_s[1] <= 0.1] == [True] * 2


def test_nothing_is_asked_again_unasked() -> None:
    triton = PlayedTriton(BusyError("full"), ANSWER)
    with pytest.raises(BusyError):
        triton.infer()
    assert len(triton.inferred) == 1


@pytest.mark.parametrize("error", [RefusedError("no"), FailedError("dead"), LateError("late")])
def test_what_was_refused_failed_or_is_late_is_never_asked_again(error: ClientError) -> None:
    triton = PlayedTriton(error, ANSWER)
    with pytest.raises(type(error)):
        triton.infer(retry=Retry())
    assert len(triton.inferred) == 1


def test_the_last_attempts_error_is_the_callers() -> None:
    triton = PlayedTriton(BusyError("first"), BusyError("second"))
    with pytest.raises(BusyError, match="second"):
        triton.infer(retry=Retry(attempts=2))


def test_no_attempt_is_made_that_would_begin_after_the_deadline() -> None:
    triton = PlayedTriton(BusyError("full"), ANSWER)
    with pytest.raises(BusyError):
        triton.infer(retry=Retry(first_pause_s=100, longest_pause_s=100), within_s=10)
    assert triton.pauses_s == []


def test_all_attempts_have_one_deadline() -> None:
    triton = PlayedTriton(BusyError("full"), ANSWER)
    triton.infer(retry=Retry())
    assert len({call.deadline for call in triton.inferred}) == 1
    assert len(triton.inferred) == 2


def test_a_stateful_model_is_not_asked_again() -> None:
    triton = PlayedTriton(sequence_batching={})
    with pytest.raises(UsageError, match="expected no retry, found one for a model with sequence"):
        triton.infer(retry=Retry())
    assert triton.infer()["Y"].shape == (1, 4)


def test_a_decoupled_model_is_refused() -> None:
    with pytest.raises(UsageError, match="expected a model that answers once, found a decoupled"):
        PlayedTriton(model_transaction_policy={"decoupled": True}).infer()


def test_a_description_of_something_else_is_said_to_be_one() -> None:
    class Other(PlayedTriton):
        def __call__(self, call: Any) -> Any:
            return ["no", "model"]

    with pytest.raises(AnswerError, match="model 'echo': expected Triton's description of a model"):
        Other().infer()


def test_a_version_is_asked_for_wherever_it_is_given() -> None:
    triton = PlayedTriton()
    triton.infer(version="3")
    assert triton.inferred[0].options["model_version"] == "3"


def test_a_chain_hands_on_what_each_model_made_and_asks_for_nothing_else() -> None:
    triton = PlayedTriton(Result(Y=np.full((1, 4), 1)), Result(Y=np.full((1, 4), 2)))
    steps = [
        Step("first", {"X": "given"}, {"Y": "one"}),
        Step("second", {"X": "one"}, {"Y": "two"}),
    ]
    terms = Terms(Deadline.starting_now(60))
    given = {"given": np.zeros((1, 4), np.int64)}

    made = triton.drive(lambda flows: flows.chain(steps, given, terms))

    assert {name: array.tolist() for name, array in made.items()} == {
        "one": [[1, 1, 1, 1]],
        "two": [[2, 2, 2, 2]],
    }
    sent = [call.args[1][0]._get_binary_data() for call in triton.inferred]
    assert sent == [bytes(32), np.full(4, 1).tobytes()]
    wanted = [[output.name() for output in call.options["outputs"]] for call in triton.inferred]
    assert wanted == [["Y"], ["Y"]]
    assert {call.deadline for call in triton.inferred} == {terms.deadline}


def test_a_chain_whose_steps_do_not_fit_is_not_begun() -> None:
    triton = PlayedTriton()
    steps = [Step("first", {"X": "given"}, {"Y": "one"}), Step("second", {"X": "two"}, {"Y": "y"})]
    given = {"given": np.zeros((1, 4), np.int64)}
    with pytest.raises(UsageError, match="found 'two': correct the step"):
        triton.drive(lambda flows: flows.chain(steps, given, Terms(Deadline.starting_now(60))))
    assert triton.inferred == []


def test_a_model_serves_when_its_canary_is_answered() -> None:
    triton = PlayedTriton()
    found = triton.drive(lambda flows: flows.health({"echo": None}, 2.0))
    assert found == Health(live=True, ready=True, problems={"echo": ""})
    assert found.serves


def test_a_model_whose_canary_fails_does_not_serve_whatever_the_health_page_says() -> None:
    triton = PlayedTriton(FailedError("model 'echo': Triton failed: its process is dead."))
    found = triton.drive(lambda flows: flows.health({"echo": None}, 2.0))
    assert (found.live, found.ready, found.serves) == (True, True, False)
    assert found.problems == {"echo": "model 'echo': Triton failed: its process is dead."}


def test_a_canary_of_the_callers_own_is_sent_as_it_is() -> None:
    triton = PlayedTriton()
    own = {"X": np.full((1, 4), 5)}
    assert triton.drive(lambda flows: flows.health({"echo": own}, 2.0)).serves
    assert triton.inferred[0].args[1][0]._get_binary_data() == own["X"].tobytes()


def test_a_server_that_is_gone_is_neither_live_nor_ready() -> None:
    class Gone(PlayedTriton):
        def __call__(self, call: Any) -> Any:
            raise UnreachableError("gone")

    found = Gone().drive(lambda flows: flows.health({"echo": None}, 2.0))
    assert found == Health(live=False, ready=False, problems={"echo": "gone"})
    assert not found.serves
