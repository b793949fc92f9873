import pytest

from analysis.capacity.certified import capacity
from analysis.compare.verdicts import Verdict
from analysis.decide.asked import Asked
from analysis.decide.at_rate import decide_at
from analysis.decide.choose import Answer, Candidates, Why
from loadtests.records.experiment import Price, Slo

COMPLEXITY = {"simple": 1.0, "other": 1.0, "fast": 5.0}
TESTED = [50.0, 100.0, 200.0, 400.0]
SLO = Slo(percentile=99, latency_ms=100, max_error_ratio=0.001)


def candidates(**known) -> Candidates:
    """By name: certified and not met."""
    found = [
        capacity(name, SLO, []).model_copy(
            update={"certified_rps": sure, "met_rps": sure, "not_met_rps": missed}
        )
        for name, (sure, missed) in known.items()
    ]
    return Candidates(found, COMPLEXITY, blocking=frozenset({"simple"}))


@pytest.fixture
def decided():
    def decide(rate_rps: float, known, headroom: float = 1.0, cpu=None, price=None):
        verdict = cpu or (lambda before, after, rate_rps: Verdict.NOT_ENOUGH_EVIDENCE)
        asked = Asked(price, rate_rps, headroom)
        return decide_at(candidates(**known), rate_rps, verdict, TESTED, asked)

    return decide


TWO = {"simple": (100, 200), "fast": (400, None)}


def test_a_rate_that_one_replica_is_certified_for_needs_one_of_the_simplest(decided):
    found = decided(100.0, TWO)
    assert (found.choice.contender, found.replicas) == ("simple", 1)
    assert found.neighbours == []


def test_fewer_replicas_come_before_simplicity(decided):
    found = decided(400.0, TWO)
    assert (found.choice.contender, found.replicas) == ("fast", 1)
    assert {n.contender: n.replicas for n in found.needs} == {"simple": 4, "fast": 1}


def test_headroom_is_kept_free_on_each_replica(decided):
    found = decided(280.0, {"fast": (400, None)}, headroom=0.7)
    assert found.replicas == 1
    assert found.needs[0].planned_rps == pytest.approx(280)
    assert decided(281.0, {"fast": (400, None)}, headroom=0.7).needs[0].replicas == 2


def test_the_least_number_of_replicas_follows_from_the_rate_not_met(decided):
    found = decided(800.0, {"simple": (100, 200)})
    assert (found.needs[0].replicas, found.needs[0].replicas_least) == (8, 4)


def test_cost_is_that_of_all_replicas(decided):
    price = Price(server_per_hour=3.0, currency="USD", source="a test")
    (needs,) = decided(800.0, {"fast": (400, None)}, price=price).needs
    assert needs.cost_per_hour == 6.0
    assert needs.cost_per_million == pytest.approx(6.0 * 1e6 / (3600 * 800))


def test_between_tested_rates_an_answer_stands_where_both_neighbours_have_it(decided):
    found = decided(75.0, TWO)
    assert (found.choice.answer, found.choice.contender) == (Answer.CHOOSE, "simple")
    assert [beside.contender for beside in found.neighbours] == ["simple", "simple"]


def test_between_rates_with_other_answers_it_says_what_to_measure(decided):
    found = decided(150.0, TWO)
    assert found.choice.answer is Answer.NOT_ENOUGH_EVIDENCE
    assert found.replicas is None
    assert [(m.contender, m.rate_rps) for m in found.measure] == [("simple", 150.0)]


def test_neighbours_that_cpu_tells_apart_otherwise_decide_nothing_between_them(decided):
    def simple_below_100(before: str, after: str, rate_rps: float) -> Verdict:
        return Verdict.BETTER if after == "simple" and rate_rps < 100 else Verdict.WORSE

    both = {"simple": (100, 200), "other": (100, 200)}
    found = decided(60.0, both, cpu=simple_below_100)
    assert found.choice.because[0].why is Why.NEIGHBOURS_DIFFER
    assert {m.contender for m in found.measure} == {"simple", "other"}


def test_a_contender_that_might_spare_a_replica_is_named_to_be_measured(decided):
    found = decided(500.0, {"fast": (400, None)})
    assert found.replicas == 2
    assert [(m.contender, m.rate_rps) for m in found.measure] == [("fast", 500.0)]


def test_a_rate_that_nobody_is_certified_for_chooses_nobody(decided):
    found = decided(400.0, {"simple": (None, 50)})
    assert (found.choice.answer, found.replicas) == (Answer.NONE_MEETS_SLO, None)
    assert found.needs[0].replicas is None


def test_a_choice_that_blocks_its_health_endpoint_is_marked(decided):
    assert decided(100.0, TWO).choice.blocks_health
    assert not decided(400.0, TWO).choice.blocks_health


def test_a_tested_rate_just_above_stands_for_the_rate(decided):
    found = decided(198.0, TWO)
    assert (found.choice.contender, found.choice.from_rps, found.neighbours) == ("fast", 200, [])
