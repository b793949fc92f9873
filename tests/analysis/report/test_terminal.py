import io

import pytest
from rich.console import Console

from analysis.capacity.cost import price_given
from analysis.compare.intervals import Metric
from analysis.decide.asked import Asked
from analysis.read.run import load_run
from analysis.report.interim import interim_of, read_interim
from analysis.report.summary import summarise
from analysis.report.terminal import interim_table, recommendation_table, smoke_table
from analysis.report.words import certificates, decision
from analysis.report.words.numbers import interval, number, times
from analysis.report.words.record import replica_range


@pytest.fixture(scope="module")
def summary(searched_summary):
    return searched_summary


@pytest.fixture(scope="module")
def lines(summary) -> list[str]:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(recommendation_table(summary))
    return console.export_text().splitlines()


def test_the_terminal_shows_the_choice_for_each_range(summary, lines):
    assert summary.recommendation.choices
    for choice in summary.recommendation.choices:
        named = decision.chosen(choice)
        assert any(decision.rates(choice) in line and named in line for line in lines)


def test_the_terminal_shows_each_capacity_for_each_slo_with_its_interval(summary, lines):
    for slo in summary.slos:
        assert any(f"Capacity for {decision.objective(slo)}" in line for line in lines)
    found = next(c for c in summary.capacities if c.contender == "fastapi-tuned")
    expected = decision.capacity_estimate(found)
    assert any("fastapi-tuned" in line and expected in line for line in lines)
    assert any("broken" in line and "not certified" in line for line in lines)


def test_a_smoke_run_shows_what_each_contender_answered_and_how_fast(summary):
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(smoke_table(summary))
    lines = console.export_text().splitlines()
    points = [point for point in summary.points if point.planned and point.rate_rps is not None]
    assert any(point.metrics is None for point in points)
    for point in points:
        found = point.metrics
        said = (
            f"{found.n_ok} of {found.n_offered}" if found else certificates.found(point.findings[0])
        )
        assert any(point.contender in line and said in line for line in lines)
    for point in points:
        if point.metrics and point.metrics.latency_p50_ms:
            p50 = number(point.metrics.latency_p50_ms)
            assert any(point.contender in line and f" {p50} " in line for line in lines)


def shown(table, width: int) -> list[str]:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text().splitlines()


def test_a_run_in_progress_has_a_first_table_with_ratios_and_capacities_so_far(
    searched_run, summary
):
    so_far = interim_of(load_run(searched_run))
    lines = shown(interim_table(so_far), 120)
    assert lines[0].strip() == ("So far, at 100 rps; ratios to fastapi with their 95 % intervals")
    compared = next(c for c in summary.comparison if (c.contender, c.level) == ("triton", "100rps"))
    first = next(i for i, line in enumerate(lines) if " triton " in line)
    ratio = compared.of(Metric.P50)
    assert times(ratio.ratio) in lines[first]
    assert interval(ratio.low, ratio.high) in lines[first + 1]
    assert any("broken" in line for line in lines)


def test_the_first_table_fits_a_terminal_of_80_columns(searched_run):
    lines = shown(interim_table(interim_of(load_run(searched_run))), 80)
    assert all(len(line) <= 80 for line in lines)
    assert any("fastapi-tuned" in line for line in lines)


def test_a_run_with_a_single_trial_has_a_first_table(new_run, contender):
    run = new_run(["a", "b"], rates_rps=[100.0])
    run.simulate([contender("a", 0.002)])
    assert any("b" in line for line in shown(interim_table(read_interim(run.folder)), 80))


def test_the_decision_that_was_asked_for_stands_in_the_terminal_with_replicas_and_cost(
    searched_run,
):
    summary = summarise(load_run(searched_run), Asked(price_given(2.0, "EUR"), 71.0))
    lines = shown(recommendation_table(summary), 120)
    decided = summary.recommendation.decision
    assert f"For 71 rps: 1 replica of {decided.choice.contender}." in lines
    for needs in decided.needs:
        row = [needs.contender, replica_range(needs), number(needs.cost_per_hour)]
        assert any(all(f" {part} " in line for part in row) for line in lines)


def test_no_decision_stands_in_the_terminal_where_none_was_asked_for(lines):
    assert not [line for line in lines if line.startswith("For ")]
