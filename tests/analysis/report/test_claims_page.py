import re

import pytest

from analysis.claims.statements import N_STATEMENTS
from analysis.report.claims_page import SECTION, claims_page
from loadtests.records.behaviour import Behaviour, CheckFinding
from loadtests.records.manifest import Git, Machine
from loadtests.records.markdown import with_section
from loadtests.selfcheck.triton_checks import CHECKS


@pytest.fixture(scope="module")
def behaviour():
    """Simulated: every check but that of statement 61 found what it expected."""
    machine = Machine(
        platform="Linux", cpu_model="a CPU", cpu_count=2, memory_bytes=0, gpu=None, python="3.11"
    )
    findings = [
        CheckFinding(
            statements=list(check.statements),
            expected=check.expected,
            found="something",
            as_expected=check.statements != (61,),
        )
        for check in CHECKS
    ]
    return Behaviour(
        created_at="2026-11-29T12:00:00",
        machine=machine,
        git=Git(commit=None, dirty=None),
        triton="2.51.0",
        tritonclient="2.73.0",
        findings=findings,
    )


@pytest.fixture(scope="module")
def page(gpu_summary, searched_summary, behaviour):
    by_run = {"on-gpu": gpu_summary.claims, "on-cpu": searched_summary.claims}
    return claims_page(by_run, behaviour)


def item(page, number):
    return next(line for line in page.splitlines() if f'id="s{number}"' in line)


def test_every_statement_has_an_anchor_and_one_line(page):
    anchors = re.findall(r'^- <a id="s(\d+)"></a>', page, re.MULTILINE)
    assert [int(number) for number in anchors] == list(range(1, N_STATEMENTS + 1))


def test_the_counts_come_first_and_add_up(page):
    first, _, _ = page.partition("\n")
    assert first.startswith(f"**{N_STATEMENTS} statements: ")
    by_verdict, _, by_way = first.partition("By the way of judging")
    for counted in (by_verdict.partition(":")[2], by_way):
        assert sum(int(number) for number in re.findall(r"\b\d+\b", counted)) == N_STATEMENTS


def test_a_measured_statement_shows_the_readings_of_each_run(page):
    assert re.search(r"\*\*holds\*\* \(measurement .*on-gpu, .*1\.83×", item(page, 69))
    assert "on-cpu, " in item(page, 26)


def test_what_the_server_did_is_shown_and_decides(page):
    assert "<br>**false** (behaviour of the real server or its client)" in item(page, 58)
    assert "--response-timeout is no option; found: something." in item(page, 58)
    assert "**not enough evidence**" in item(page, 61)
    assert "Not as expected: " in item(page, 61)
    assert "Triton 2.51.0 with tritonclient 2.73.0, 2026-11-29, a CPU" in page


def test_a_statement_that_no_run_measures_says_why(page):
    assert "**not testable here, because " in item(page, 71)


def test_what_is_written_has_its_source_and_the_corrected_statement(page):
    assert "Source: docs.vllm.ai, models/pooling_models." in item(page, 6)
    assert "Corrected: vLLM also serves classifiers" in item(page, 6)


def test_only_what_stands_between_the_markers_is_replaced():
    text = "before\n<!-- claims: begin -->\nold\n<!-- claims: end -->\nafter\n"
    assert (
        with_section(text, SECTION, "new")
        == "before\n<!-- claims: begin -->\n\nnew\n\n<!-- claims: end -->\nafter\n"
    )
