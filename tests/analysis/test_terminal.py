import io

import pytest
from rich.console import Console

from analysis.terminal import recommendation_table


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
        named = choice.contender or str(choice.answer)
        assert any(choice.rates in line and named in line for line in lines)


def test_the_terminal_shows_each_capacity_for_each_slo_with_its_interval(summary, lines):
    for slo in summary.slos:
        assert any(f"Capacity for {slo}" in line for line in lines)
    found = next(c for c in summary.capacities if c.contender == "fastapi-tuned")
    expected = f"{found.certified_rps:g} to {found.not_met_rps:g}"
    assert any("fastapi-tuned" in line and expected in line for line in lines)
    assert any("broken" in line and "not certified" in line for line in lines)
