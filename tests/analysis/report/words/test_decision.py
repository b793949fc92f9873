import json
from dataclasses import replace

import pytest

from analysis.capacity.certified import Capacity
from analysis.decide.choose import Answer, Because, Choice, MeasuredAt, Why
from analysis.read.run import load_run
from analysis.report.summary import Summary, summarise
from analysis.report.words import decision
from analysis.report.words.run import resident, warnings
from loadtests.records.experiment import Slo

SLO = Slo(percentile=99, latency_ms=100, max_error_ratio=0.001)


def choice(rates_rps=(100.0,), *because: Because, **fields: object) -> Choice:
    return Choice.model_validate(
        {"from_rps": rates_rps[0], "to_rps": rates_rps[-1], "rates_rps": rates_rps}
        | {"answer": Answer.CHOOSE, "contender": "a", "because": because, **fields}
    )


def test_an_slo_is_said_without_invented_digits():
    said = decision.objective(SLO).replace("\N{NO-BREAK SPACE}", " ")
    assert said == "P99 at most 100 ms, at most 0.1 % of requests failed"


def test_a_range_of_rates_has_one_unit():
    assert decision.rates(choice((117.0, 146.0, 183.0))) == "117 to 183 rps"
    assert decision.rates(choice((93.8,))) == "93.8 rps"


@pytest.mark.parametrize(
    ("because", "equals", "sentence"),
    [
        (Because(why=Why.ONLY_CERTIFIED), [], "the only contender certified to meet the SLO"),
        (
            Because(why=Why.LEAST_COMPLEX, complexity=2),
            ["b"],
            "certified to meet the SLO, and the simplest (complexity 2); b would do as well",
        ),
        (
            Because(why=Why.LEAST_CPU, complexity=2),
            [],
            "certified to meet the SLO, and of the simplest (complexity 2) the one with the least "
            "server CPU",
        ),
        (
            Because(why=Why.NONE_SHOWN, might=["b", "c"]),
            [],
            "no contender is certified, but b and c might meet the SLO",
        ),
        (
            Because(why=Why.SIMPLER_MIGHT, certified="a", might=["b"]),
            [],
            "a is certified, but b, which is simpler, might meet the SLO too",
        ),
    ],
)
def test_an_answer_says_why_it_is_given(because, equals, sentence):
    assert decision.because(choice((100.0,), because, equals=equals), []) == sentence


def test_reasons_that_differ_only_in_who_might_meet_the_slo_are_one_sentence():
    lower = Because(why=Why.NONE_SHOWN, might=["b", "c"])
    higher = Because(why=Why.NONE_SHOWN, might=["c", "d"])
    said = "no contender is certified, but b, c and d might meet the SLO"
    assert decision.because(choice((100.0, 200.0), lower, higher), []) == said


def test_what_holds_only_at_the_lowest_rates_of_a_range_is_said_of_them_only():
    lower = Because(why=Why.SIMPLER_MIGHT, certified="a", might=["b"])
    higher = Because(why=Why.NONE_SHOWN, might=["b", "c"])
    said = (
        "at the lowest of these rates a is certified, but b, which is simpler, might meet the SLO "
        "too; at the highest no contender is certified, but b and c might meet the SLO"
    )
    assert decision.because(choice((100.0, 200.0), lower, higher), []) == said


@pytest.mark.parametrize(
    ("rates_rps", "measured", "out", "sentence"),
    [
        (
            (300.0, 500.0),
            [((300, 500), ["c"]), ((300,), ["b"]), ((500,), ["d"]), ((), ["a"])],
            [],
            "measured at all of these rates: c; measured at some of these rates: b and d; missed "
            "the SLO at a lower rate: a",
        ),
        (
            (100.0, 200.0),
            [((100, 200), ["a", "b"])],
            [],
            "every contender was measured at all of these rates and missed the SLO",
        ),
        (
            (100.0,),
            [((100,), ["a", "c"])],
            ["b"],
            "measured here: a and c; gave wrong answers or never started: b",
        ),
        ((100.0,), [], ["a"], "every contender gave wrong answers or never started"),
    ],
)
def test_where_nobody_meets_the_slo_it_says_who_was_measured(rates_rps, measured, out, sentence):
    found = choice(
        rates_rps,
        Because(why=Why.ALL_MISSED),
        answer=Answer.NONE_MEETS_SLO,
        measured=[MeasuredAt(rates_rps=at, contenders=names) for at, names in measured],
    )
    assert decision.because(found, out) == sentence


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("not_tried", "no rate was tried"),
        (
            "not_monotone",
            "not monotone: the SLO was missed at 142 rps and met at 170 rps; the lower rate counts",
        ),
        ("met_above", "certified; met as measured up to 119 rps"),
        (
            "lower_bound",
            "certified; no higher rate was found to miss the SLO, so this is a lower bound",
        ),
    ],
)
def test_a_capacity_says_how_well_it_is_known(searched_summary, status, sentence):
    known = {"met_rps": 119.0, "not_met_rps": 142.0, "certified_above_rps": 170.0}
    stored = searched_summary.capacities[0].model_dump() | known | {"status": status}
    assert decision.capacity_status(Capacity.model_validate(stored)) == sentence


@pytest.fixture
def summarised(new_run):
    """The summary of simulated contenders at some arrival rates."""

    def simulate(contenders, rates_rps, steady_s=24.0, repeats=1) -> Summary:
        names = [contender.name for contender in contenders]
        run = new_run(names, rates_rps=rates_rps, steady_s=steady_s, repeats=repeats)
        run.calibrate("null-http", "http-json", 4000)
        run.simulate(contenders)
        return summarise(load_run(run.folder))

    return simulate


def test_the_conditions_name_everything_the_answer_depends_on(summarised, contender):
    summary = summarised([contender("a", 0.002)], [50.0, 100.0])
    text = " ".join(decision.conditions(summary))
    for part in ("Synthetic CPU", "embedded", "small", "seeded", "P99 at most 100 ms", "50, 100"):
        assert part in text
    assert "does not apply to rates above those tested" in text


def test_the_form_is_said_of_each_contender(summarised, contender):
    started, mine = contender("a", 0.002, form="embedded"), contender("mine", 0.002)
    summary = summarised([started, replace(mine, form="external")], [50.0])
    (form,) = [text for text in decision.conditions(summary) if text.startswith("Form: ")]
    assert "embedded (started by the study, as processes of this machine): a" in form
    assert "external (it was already running, and the study did not start it): mine" in form


def test_what_would_reverse_the_answer_names_the_threshold_once_and_each_standing(
    summarised, contender
):
    rivals = [contender("a", 0.006, components=1), contender("b", 0.001, components=5)]
    told = decision.reversals(summarised(rivals, [50.0, 400.0], repeats=3))
    assert sum("P99 of a chosen contender above 100 ms" in text for text in told) == 1
    assert "a is certified at 50 rps and misses the SLO at 400 rps." in told
    assert "b is certified at 400 rps; no higher rate was found to miss the SLO." in told


def test_a_contender_with_too_few_requests_calls_for_more_of_them(summarised, contender):
    summary = summarised([contender("a", 0.002)], [50.0], steady_s=1.0)
    choice = summary.recommendation.choices[0]
    assert choice.answer is Answer.NOT_ENOUGH_EVIDENCE
    text = decision.reversals(summary)[0]
    assert text.startswith("50 rps: enough valid requests to a to certify that the SLO is met")


def test_the_sentences_above_all_others_come_from_codes(searched_summary):
    stored = json.loads(searched_summary.model_dump_json())
    stored["warnings"] = ["model_notes", "seeded_weights", "machine_disturbed"]
    stored["manifest"]["model"]["notes"] = ["a note"]
    stored["disturbed"] = {"trial_ids": ["r1-a-50rps"], "n_by_cause": {"slow_core": 1}}
    first, second, third = warnings(Summary.model_validate(stored))
    assert first == "a note"
    assert second.startswith("The weights are seeded")
    assert "in 1 trial, which is not used: a slow core (1)" in third


def test_how_often_each_was_started_is_said_where_the_experiment_says_so(searched_summary):
    stored = searched_summary.model_dump()
    stored["manifest"]["groups"] = [["a", "b"]]
    assert "started" not in resident(Summary.model_validate(stored))
    stored["manifest"]["experiment"]["restarts_per_round"] = 1
    assert resident(Summary.model_validate(stored)).endswith("; each was started once")
    for trial in stored["trials"]:
        trial["startup_s"] = 1.0 + trial["repeat"] % 3
    assert resident(Summary.model_validate(stored)).endswith("; each was started 3 times")


def test_who_was_paused_between_its_slices_is_said(searched_summary):
    stored = json.loads(searched_summary.model_dump_json())
    stored["manifest"] |= {"groups": [["a", "b"]], "paused": {"b": 0.118}}
    said = resident(Summary.model_validate(stored))
    assert said.startswith("all contenders were up during every slice")
    assert said.endswith("b (11.8\N{NO-BREAK SPACE}% of a core)")
