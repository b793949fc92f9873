import pytest

from analysis.capacity.certified import capacity
from analysis.capacity.rate_judgement import CapacityRate, Judgement
from analysis.compare.verdicts import Verdict
from analysis.decide.choose import Answer, Because, Candidates, Why, choose
from loadtests.records.experiment import Slo

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


def test_the_fewest_components_win_up_to_their_capacity(capacities):
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
    assert found.because == [Because(why=Why.SIMPLER_MIGHT, certified="complex", might=["simple"])]


def test_above_every_capacity_none_meets_the_slo(capacities):
    (found,) = choose(Candidates(capacities(simple=(100, 200)), PARTS), [300], UNDECIDED)
    assert found.answer is Answer.NONE_MEETS_SLO


def tried(*rates_rps):
    return [
        CapacityRate(
            rate_rps=rate_rps,
            judgement=Judgement.NOT_MET,
            n_requests=100,
            n_over=50,
            n_invalid=0,
            trial_ids=["one"],
        )
        for rate_rps in rates_rps
    ]


@pytest.fixture
def missed_at(capacities):
    """Contenders that miss the SLO at 100 rps, measured at some rates from there on."""

    def build(**rates):
        found = capacities(**dict.fromkeys(rates, (None, 100)))
        return [c.model_copy(update={"rates": tried(*rates[c.contender])}) for c in found]

    return build


def test_who_was_measured_is_said_of_each_rate_at_which_none_meets_the_slo(missed_at):
    found = missed_at(simple=[100], other=[100, 300], complex=[100, 300, 500])
    (choice,) = choose(Candidates(found, PARTS), [300, 500], UNDECIDED)
    assert [(found.rates_rps, found.contenders) for found in choice.measured] == [
        ([300, 500], ["complex"]),
        ([300], ["other"]),
        ([], ["simple"]),
    ]


def test_every_contender_was_measured_only_where_each_has_a_trial_at_each_rate(missed_at):
    found = missed_at(simple=[100, 200], other=[100, 200])
    (choice,) = choose(Candidates(found, PARTS), [100, 200], UNDECIDED)
    assert [found.rates_rps for found in choice.measured] == [[100, 200]] == [choice.rates_rps]


def test_a_contender_that_never_started_is_not_among_those_measured(missed_at):
    found = missed_at(simple=[100], other=[])
    candidates = Candidates(found, PARTS, out=frozenset({"other"}))
    (choice,) = choose(candidates, [100], UNDECIDED)
    assert [found.contenders for found in choice.measured] == [["simple"]]


def test_a_trial_that_may_not_be_used_is_no_measurement(missed_at):
    (found,) = missed_at(simple=[100])
    unused = found.rates[0].model_copy(update={"trial_ids": [], "n_invalid": 1})
    assert not found.model_copy(update={"rates": [unused]}).measured_at(100)


def test_a_contender_that_is_out_neither_wins_nor_holds_the_answer_back(capacities):
    found = capacities(simple=(None, None), complex=(800, 900))
    (choice,) = choose(Candidates(found, PARTS, out=frozenset({"simple"})), [100], UNDECIDED)
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


def test_between_equals_one_that_answers_its_health_endpoint_comes_first(capacities):
    found = capacities(simple=(100, 200), other=(100, 200))
    candidates = Candidates(found, PARTS, blocking=frozenset({"simple"}))
    (choice,) = choose(candidates, [50], UNDECIDED)
    assert (choice.contender, choice.equals, choice.blocks_health) == ("other", ["simple"], False)
