import pytest

from analysis.decide.asked import Asked
from analysis.decide.choose import Answer, Why
from analysis.read.contenders import facts_of
from analysis.read.run import load_run
from analysis.report.summary import Summary, summarise
from loadtests.records.trials import Level

from ..synthetic import facts


@pytest.fixture
def summarised(new_run):
    """The summary of simulated contenders at some arrival rates."""

    def simulate(contenders, rates_rps, **changes) -> Summary:
        names = [contender.name for contender in contenders]
        run = new_run(names, rates_rps=rates_rps, **({"steady_s": 24.0} | changes))
        run.calibrate("null-http", "http-json", 4000)
        run.simulate(contenders)
        return summarise(load_run(run.folder))

    return simulate


def answers(summary: Summary):
    return [
        (choice.from_rps, choice.to_rps, choice.contender or choice.answer)
        for choice in summary.recommendation.choices
    ]


def test_the_simplest_contender_that_meets_the_slo_wins_and_equal_answers_form_one_range(
    summarised, contender
):
    summary = summarised(
        [contender("a", 0.006, components=1), contender("b", 0.001, components=5)],
        [50.0, 100.0, 400.0, 600.0],
        repeats=3,
    )
    assert answers(summary) == [(50, 100, "a"), (400, 600, "b")]


def test_equally_simple_contenders_are_told_apart_by_cpu_where_repeats_prove_it(
    summarised, contender
):
    rivals = [contender("a", 0.004), contender("b", 0.002)]
    summary = summarised(rivals, [50.0], repeats=3, steady_s=8.0)
    assert answers(summary) == [(50, 50, "b")]
    assert summary.recommendation.choices[0].equals == []


def test_without_proof_of_a_difference_order_decides_and_the_equal_is_named(summarised, contender):
    rivals = [contender("a", 0.004), contender("b", 0.002)]
    summary = summarised(rivals, [50.0], repeats=2, steady_s=60.0)
    assert answers(summary) == [(50, 50, "a")]
    assert summary.recommendation.choices[0].equals == ["b"]
    assert summary.recommendation.choices[0].because[0].why is Why.LEAST_COMPLEX


def test_none_meets_the_slo_is_an_answer(summarised, contender):
    summary = summarised([contender("a", 0.02), contender("b", 0.03)], [100.0])
    assert answers(summary) == [(100, 100, Answer.NONE_MEETS_SLO)]


def test_it_refuses_where_no_valid_point_meets_the_slo_and_an_invalid_one_might(
    summarised, contender
):
    summary = summarised([contender("a", 0.02), contender("b", 0.001, send_lag_s=0.02)], [100.0])
    assert answers(summary) == [(100, 100, Answer.NOT_ENOUGH_EVIDENCE)]
    assert summary.recommendation.choices[0].because[0].might == ["b"]


def test_it_refuses_to_name_a_winner_over_a_simpler_contender_measured_badly(summarised, contender):
    summary = summarised(
        [
            contender("a", 0.002, components=1, send_lag_s=0.02),
            contender("b", 0.002, components=5),
        ],
        [100.0],
    )
    assert answers(summary) == [(100, 100, Answer.NOT_ENOUGH_EVIDENCE)]


def test_a_less_simple_contender_measured_badly_does_not_matter(summarised, contender):
    summary = summarised(
        [
            contender("a", 0.002, components=1),
            contender("b", 0.002, components=5, send_lag_s=0.02),
        ],
        [100.0],
    )
    assert answers(summary) == [(100, 100, "a")]


def test_a_contender_that_cannot_start_does_not_stop_the_answer(summarised, contender):
    summary = summarised(
        [
            contender("a", 0.002, components=1, fails="exited with code 1"),
            contender("b", 0.002, components=5),
        ],
        [100.0],
    )
    assert answers(summary) == [(100, 100, "b")]
    assert summary.recommendation.out == ["a"]


def test_too_few_requests_are_not_enough_evidence(new_run, contender):
    run = new_run(["a"], rates_rps=[50.0], steady_s=4.0)
    run.calibrate("null-http", "http-json", 4000)
    run.simulate([contender("a", 0.001)])
    assert answers(summarise(load_run(run.folder))) == [(50, 50, Answer.NOT_ENOUGH_EVIDENCE)]


@pytest.mark.parametrize(
    ("recorded", "form"),
    [
        ({"server": "triton_service"}, "embedded"),
        ({"server": "external"}, "external"),
        ({"server": "hybrid_gateway", "options": {"triton_url": "gpu-host:8001"}}, "gateway"),
        ({"server": "external", "form": "external"}, "external"),
    ],
)
def test_a_record_that_names_no_form_says_what_it_was(contender, recorded, form):
    assert facts_of(facts(contender("a", 0.001)) | recorded).form == form


def test_a_run_without_arrival_rates_recommends_nothing(new_run, contender, make_rows):
    run = new_run(["a"], rates_rps=[], concurrency=[4])
    rows = make_rows([1.5, 1.6], [1.5, 1.6], [1.6, 1.7])
    run.add(contender("a", 0.002), rows, Level("closed", concurrency=4))
    assert summarise(load_run(run.folder)).recommendation.choices == []


def test_the_user_s_weights_decide_which_contender_is_the_simplest(new_run, contender):
    rivals = [
        contender("a", 0.002, components=["tritonserver"]),
        contender("b", 0.002, components=["process", "network"]),
    ]
    run = new_run(["a", "b"], rates_rps=[100.0], steady_s=24.0)
    run.calibrate("null-http", "http-json", 4000)
    run.simulate(rivals)
    loaded = load_run(run.folder)
    assert summarise(loaded).recommendation.choices[0].contender == "a"
    weighted = summarise(loaded, Asked(weights={"tritonserver": 3.0})).recommendation
    assert weighted.choices[0].contender == "b"
    assert weighted.weights == {"tritonserver": 3.0}


def test_where_nobody_asks_for_a_rate_the_highest_common_one_is_decided(summarised, contender):
    found = summarised([contender("a", 0.002)], [50.0, 100.0]).recommendation.decision
    assert (found.rate_rps, found.asked) == (100, False)
