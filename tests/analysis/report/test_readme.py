import re

import pytest

from analysis.compare.intervals import Metric
from analysis.report.readme import SECTION, numbers
from analysis.report.words.codes import said
from analysis.report.words.decision import objective
from loadtests.records.markdown import with_section


@pytest.fixture(scope="module")
def summary(searched_summary):
    return searched_summary


@pytest.fixture(scope="module")
def section(summary) -> str:
    return numbers(summary, "results/a-run")


def test_the_section_names_machine_slo_and_figure(summary, section):
    assert str(summary.manifest.machine) in section
    assert objective(summary.manifest.experiment.slo) in section
    assert "(results/a-run/capacity.png)" in section


def test_every_contender_has_its_capacity_under_the_main_slo_once(summary, section):
    for name in summary.manifest.experiment.contenders:
        assert len(re.findall(rf"^\| `{name}` \|", section, re.MULTILINE)) == 1
    found = next(c for c in summary.capacities if c.contender == "fastapi")
    assert f"| `fastapi` | **{found.certified_rps:g} rps** |" in section
    assert "| `broken` | not certified |" in section


def test_every_step_of_the_ablation_tells_its_verdict(summary, section):
    assert summary.ablation
    for step in summary.ablation:
        assert (
            f"| {' and '.join(map(said, step.changes))} | `{step.before}` | `{step.after}` |"
            in section
        )
        assert step.of(Metric.P99) is None or said(step.of(Metric.P99).verdict) in section


def test_only_what_stands_between_the_markers_is_replaced():
    readme = "before\n<!-- numbers: begin -->\nold\n<!-- numbers: end -->\nafter\n"
    assert (
        with_section(readme, SECTION, "new")
        == "before\n<!-- numbers: begin -->\n\nnew\n\n<!-- numbers: end -->\nafter\n"
    )
