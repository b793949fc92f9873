import pytest

from analysis.capacity import capacity
from analysis.choose import Answer, Candidates, choose
from analysis.manifest import Slo
from analysis.verdicts import Verdict

PARTS = {"simple": 1, "other": 1, "complex": 5}


@pytest.fixture
def capacities():
    """Capacities by name: (certified, not met)."""
    slo = Slo(percentile=99, latency_ms=100, max_error_ratio=0.001)

    def build(**known):
        return [
            capacity(name, slo, []).model_copy(
                update={"certified_rps": sure, "met_rps": sure, "not_met_rps": missed}
            )
            for name, (sure, missed) in known.items()
        ]

    return build


def never(verdict: Verdict):
    return lambda before, after, rate_rps: verdict


UNDECIDED = never(Verdict.NOT_ENOUGH_EVIDENCE)


def test_the_fewest_moving_parts_win_up_to_their_capacity(capacities):
    found = choose(
        Candidates(capacities(simple=(100, 200), complex=(800, 900)), PARTS),
        [50, 100, 200, 800],
        UNDECIDED,
    )
    assert [(c.from_rps, c.to_rps, c.contender) for c in found] == [
        (50, 100, "simple"),
        (200, 800, "complex"),
    ]


def test_between_certified_and_missed_a_simpler_contender_holds_the_answer_back(capacities):
    (found,) = choose(
        Candidates(capacities(simple=(100, 200), complex=(800, 900)), PARTS), [150], UNDECIDED
    )
    assert found.answer is Answer.NOT_ENOUGH_EVIDENCE
    assert "simple, simpler, might as well" in found.because


def test_above_every_capacity_none_meets_the_slo(capacities):
    (found,) = choose(Candidates(capacities(simple=(100, 200)), PARTS), [300], UNDECIDED)
    assert found.answer is Answer.NONE_MEETS_SLO


def test_a_contender_that_is_out_neither_wins_nor_holds_the_answer_back(capacities):
    found = capacities(simple=(None, None), complex=(800, 900))
    (choice,) = choose(Candidates(found, PARTS, frozenset({"simple"})), [100], UNDECIDED)
    assert choice.contender == "complex"


@pytest.mark.parametrize("order", [("simple", "other"), ("other", "simple")])
@pytest.mark.parametrize("verdict", [Verdict.NOT_ENOUGH_EVIDENCE, Verdict.NO_MATERIAL_DIFFERENCE])
def test_equals_are_settled_by_the_order_of_the_experiment(capacities, order, verdict):
    found = capacities(**dict.fromkeys(order, (100, 200)))
    (choice,) = choose(Candidates(found, PARTS), [50], never(verdict))
    assert (choice.contender, choice.equals) == (order[0], [order[1]])


def test_less_cpu_settles_equals_where_the_verdict_says_so(capacities):
    def other_needs_less(before: str, after: str, rate_rps: float) -> Verdict:
        return Verdict.BETTER if after == "other" else Verdict.WORSE

    found = capacities(simple=(100, 200), other=(100, 200))
    (choice,) = choose(Candidates(found, PARTS), [50], other_needs_less)
    assert (choice.contender, choice.equals) == ("other", [])
