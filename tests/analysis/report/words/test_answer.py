import pytest

from analysis.compare.intervals import Interval, Metric
from analysis.compare.verdicts import MIN_ROUNDS, decide
from analysis.decide.at_rate import Decision, ToMeasure
from analysis.decide.choose import Answer, Because, Choice, Why
from analysis.report.words.answer import (
    NONE_ASKED_FOR_MORE,
    decided,
    how_sure,
    sentences,
    what_to_use,
    where_from,
)
from analysis.report.words.overload import at_the_top


def choice(from_rps: float, to_rps: float, contender: str | None, **changes) -> Choice:
    answer = Answer.CHOOSE if contender else Answer.NONE_MEETS_SLO
    return Choice(
        from_rps=from_rps,
        to_rps=to_rps,
        rates_rps=[from_rps, to_rps],
        contender=contender,
        because=[Because(why=Why.ONLY_CERTIFIED)],
        **{"answer": answer, **changes},
    )


@pytest.fixture
def with_choices(searched_summary):
    def build(*choices: Choice):
        found = searched_summary.recommendation.model_copy(update={"choices": list(choices)})
        return searched_summary.model_copy(update={"recommendation": found})

    return build


def test_the_first_sentence_says_what_to_use_at_which_rate(with_choices):
    summary = with_choices(
        choice(50, 70, "a"),
        choice(80, 80, "a", equals=["c"]),
        choice(100, 100, None, answer=Answer.NOT_ENOUGH_EVIDENCE),
        choice(120, 150, "b"),
        choice(200, 400, None),
    )
    assert what_to_use(summary) == (
        "Use a at 50 to 80 rps and b at 120 to 150 rps, the simplest that is certified to meet the "
        "SLO there; there is not enough evidence at 100 rps; no single replica meets the SLO at "
        "200 to 400 rps."
    )


def test_a_choice_that_blocks_its_health_endpoint_is_never_named_without_it(with_choices):
    told = what_to_use(with_choices(choice(50, 70, "a", blocks_health=True)))
    assert told.startswith("Use a (which blocks its own health endpoint) at 50 to 70 rps, ")


@pytest.fixture
def step(searched_summary):
    def build(low: float, high: float, **changes):
        some = searched_summary.ablation[0]
        middle = (low * high) ** 0.5
        found = decide(Metric.THROUGHPUT, middle, Interval(low, high), MIN_ROUNDS, 0.05, 0.05)
        ends = {"ratio": middle, "low": low, "high": high, "verdict": found}
        capacity = some.capacity.model_copy(update=ends)
        return some.model_copy(update={"capacity": capacity} | changes)

    return build


def test_the_second_sentence_names_the_change_that_gains_most_first(step):
    told = where_from(
        [
            step(0.5, 0.8, changes=["handler"], after="tuned"),
            step(2.0, 2.0, changes=["engine"], before="tuned", after="onnx"),
            step(1.5, 1.5, changes=["server"], before="onnx", after="triton"),
            step(0.9, 1.3, changes=["batching"], before="triton", after="batched"),
            step(9.0, 9.0, changes=["batching"], before="beside", after="triton"),
        ]
    )
    assert told == (
        "Most of the gain in capacity comes from the engine: onnx sustains 2.00 times (2.00 to "
        "2.00) as much as tuned; then from the server (1.50 times (1.50 to 1.50)), so begin with "
        "the engine. The handler (tuned) lowers it."
    )


def test_a_gain_that_no_interval_shows_is_not_claimed(step):
    assert where_from([step(0.9, 3.0)]) == "No single change is shown to raise capacity."
    assert "no gain is attributed" in where_from([])


def test_the_third_sentence_tells_what_happens_beyond_capacity(collapsing):
    summary = collapsing()
    assert sentences(summary)[2] == at_the_top(summary)


def test_the_fourth_sentence_says_how_sure_the_answer_is(searched_summary):
    told = sentences(searched_summary)[3].replace("\N{NO-BREAK SPACE}", " ")
    assert told == how_sure(searched_summary).replace("\N{NO-BREAK SPACE}", " ")
    assert "at a certified rate P" in told
    n = len(searched_summary.trials)
    assert f"{sum(t.usable for t in searched_summary.trials)} of {n} trials were usable" in told
    floor = searched_summary.noise_floor
    assert (floor is not None) == ("(A/A test)" in told)


def test_one_step_that_gains_says_so_of_the_chain_only(step):
    told = where_from([step(2.0, 2.0, changes=["engine"], before="tuned", after="onnx")])
    assert told.endswith(
        "; no other step of the chain is shown to raise it, so begin with the engine."
    )


def test_that_nobody_was_asked_for_too_much_is_said(collapsing):
    assert sentences(collapsing({200.0: (0.001, 0.001)}))[2] == NONE_ASKED_FOR_MORE


def test_a_decision_says_how_many_replicas_or_what_to_measure():
    made = Decision(
        rate_rps=400,
        asked=True,
        headroom=0.7,
        replicas=2,
        choice=choice(286, 286, "triton"),
        neighbours=[],
        measure=[],
        needs=[],
    )
    said = "For 400 rps, each replica planned at 70\N{NO-BREAK SPACE}% of its capacity: "
    assert decided(made) == f"{said}2 replicas of triton."
    measure = [ToMeasure(contender=name, rate_rps=285.7) for name in ("a", "b")]
    open_still = choice(286, 286, None, answer=Answer.NOT_ENOUGH_EVIDENCE)
    undecided = {"replicas": None, "measure": measure, "choice": open_still}
    assert decided(made.model_copy(update=undecided)) == (
        f"{said}not enough evidence; measure a and b at 286 rps."
    )
