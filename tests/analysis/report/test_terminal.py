import io

import pytest
from rich.console import Console

from analysis.report.terminal import recommendation_table, smoke_table
from analysis.report.words import certificates, decision
from analysis.report.words.numbers import number


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
    expected = f"{found.certified_rps:g} to {found.not_met_rps:g}"
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
