"""Whether anything beats the default, by the last generation alone."""

import pytest

from analysis.compare.verdicts import Verdict
from analysis.tune.page import sentence
from analysis.tune.verdict import Outcome, answer, front

from .asked import candidate, generation, p50, ratio, tuning

BETTER = ratio(1.1, 1.2, 1.3, Verdict.BETTER)
MUCH_BETTER = ratio(1.05, 1.6, 2.4, Verdict.BETTER)
EQUAL = ratio(0.97, 1.0, 1.03, Verdict.NO_MATERIAL_DIFFERENCE)
OPEN = ratio(0.9, 1.3, 1.9, Verdict.NOT_ENOUGH_EVIDENCE)
WORSE = ratio(0.5, 0.6, 0.7, Verdict.WORSE)
FASTER, AS_FAST = p50(0.8, Verdict.BETTER), p50(1.0, Verdict.NO_MATERIAL_DIFFERENCE)


def test_more_capacity_wins_and_of_several_the_one_that_surely_has_most() -> None:
    found = answer(
        generation(candidate("c1", MUCH_BETTER), candidate("c2", BETTER), candidate("c3", OPEN))
    )
    assert found.outcome is Outcome.MORE_CAPACITY
    assert found.best is not None
    assert found.best.name == "c2"


@pytest.mark.parametrize(
    ("capacity", "latency"),
    [(EQUAL, AS_FAST), (OPEN, FASTER), (WORSE, FASTER), (EQUAL, None), (OPEN, AS_FAST)],
)
def test_nothing_beats_the_default_without_evidence_for_more_capacity_or_a_lower_p50(
    capacity, latency
) -> None:
    final = generation(candidate("c1", capacity, latency), candidate("c2", WORSE, AS_FAST))
    found = answer(final)
    assert (found.outcome, found.best) == (Outcome.NONE_BETTER, None)
    said = sentence(tuning(), found, [generation(*final.candidates), final], final)
    certain = (
        " the default of triton. Of 4 configurations measured beside it, the best 2 were measured "
        "once more: none has more capacity for certain under P99 at most 100 ms, at most "
        "0.1\N{NO-BREAK SPACE}% of requests failed, or as much and a lower P50 at 20 requests/s."
    )
    more = " There is not enough evidence of c1 (max_batch_size = 8): more time may tell."
    assert said == (
        f"Nothing was shown to beat{certain}{more}"
        if capacity is OPEN
        else f"Nothing beats{certain}"
    )


def test_at_as_much_capacity_a_lower_p50_wins() -> None:
    final = generation(candidate("c1", EQUAL, AS_FAST), candidate("c2", EQUAL, FASTER))
    found = answer(final)
    assert found.outcome is Outcome.LOWER_P50
    assert found.best is not None
    assert found.best.name == "c2"
    said = sentence(tuning(), found, [], final)
    assert said.startswith("Take triton with max_batch_size = 8: as much capacity and a lower P50.")
    assert "is 1.00× (0.970 to 1.03) the default's (certified: 200 beside 200 requests/s)" in said


def test_what_is_beyond_a_limit_or_has_a_problem_is_not_taken() -> None:
    found = answer(
        generation(
            candidate("c1", BETTER, beyond=["memory 900 MiB, at most 800 asked"]),
            candidate("c2", BETTER, problem="2 of 20 answers differ"),
        )
    )
    assert (found.outcome, found.best) == (Outcome.NONE_BETTER, None)


def test_where_the_default_is_beyond_a_limit_most_capacity_within_them_is_taken() -> None:
    final = generation(
        candidate("c1", WORSE), candidate("c2", OPEN), beyond=["P50 9 ms, at most 8 asked"]
    )
    found = answer(final)
    assert found.outcome is Outcome.WITHIN_LIMITS
    assert found.best is not None
    assert found.best.name == "c2"


@pytest.mark.parametrize(
    "final",
    [
        None,
        generation(),
        generation(candidate("c1", BETTER), problem="not measured at the low rate"),
        generation(candidate("c1", OPEN, problem="its capacity is not known")),
    ],
    ids=["no last generation", "no candidate", "no default", "no comparison"],
)
def test_what_was_not_compared_says_nothing(final) -> None:
    found = answer(final)
    assert (found.outcome, found.best) == (Outcome.NOT_COMPARED, None)
    assert sentence(tuning(), found, [], final).startswith("Nothing can be said: of 0 ")


def test_the_front_holds_what_none_beats_in_both() -> None:
    places = [(1.0, 1.0), (0.9, 1.1), (1.2, 1.3), (1.1, 0.9), (0.9, 0.8)]
    assert front(places) == [(0.9, 1.1), (1.2, 1.3)]
