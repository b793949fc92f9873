import pytest
from pydantic import ValidationError

from analysis.capacity.cost import costs, price_given
from analysis.decide.asked import Asked
from analysis.read.run import load_run
from analysis.report.summary import summarise
from loadtests.records.experiment import Price


def test_cost_is_hours_at_the_certified_rate_times_the_price(gpu_summary):
    triton = next(cost for cost in gpu_summary.costs if cost.contender == "triton")
    assert triton.certified_rps == 1600
    assert triton.machine_hours_per_million == pytest.approx(1e6 / 3600 / 1600)
    assert triton.machine_hours_low == pytest.approx(1e6 / 3600 / 3200)
    assert triton.cost_per_million == pytest.approx(3.6e6 / 3600 / 1600)
    assert triton.cost_low == pytest.approx(3.6e6 / 3600 / 3200)


def test_an_open_capacity_leaves_the_lower_end_of_its_cost_open(gpu_summary):
    costly = next(cost for cost in gpu_summary.costs if cost.contender == "triton-x2")
    assert costly.machine_hours_low is None
    assert costly.cost_low is None


def test_without_a_price_there_are_hours_and_cpu_seconds_but_no_cost(searched_summary):
    assert searched_summary.price is None
    certified = {c.contender for c in searched_summary.capacities if c.certified_rps}
    main = {cost.contender: cost for cost in searched_summary.costs}
    assert main.keys() <= certified
    assert all(cost.cost_per_million is None for cost in main.values())
    assert main["fastapi"].machine_hours_per_million > 0
    assert main["fastapi"].server_cpu_s_per_1000_requests > 0


def test_what_has_no_certified_capacity_has_no_cost(searched_summary):
    assert "broken" not in {cost.contender for cost in searched_summary.costs}
    assert costs([], [], None) == []


def test_a_price_given_by_hand_takes_the_place_of_the_experiment_s(new_run, contender):
    run = new_run(["a"], rates_rps=[100.0], steady_s=24.0)
    run.manifest["experiment"]["price"] = {"server_per_hour": 1, "currency": "EUR", "source": "x"}
    run.save()
    run.simulate([contender("a", 0.001)])
    loaded = load_run(run.folder)
    own, given = summarise(loaded), summarise(loaded, Asked(price_given(2.0, "USD")))
    assert own.price.currency == "EUR"
    assert given.price == Price(
        server_per_hour=2, currency="USD", source="given on the command line"
    )
    assert given.costs[0].cost_per_million == 2 * own.costs[0].cost_per_million > 0


def test_no_price_by_hand_leaves_the_experiment_s():
    assert price_given(None, "USD") is None


def test_a_price_of_nothing_is_refused():
    with pytest.raises(ValidationError, match="greater than 0"):
        price_given(0.0, "USD")
