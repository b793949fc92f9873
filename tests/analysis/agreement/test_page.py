"""The tables of an agreement, in the terminal and in Markdown."""

import io

import pytest
from rich.console import Console

from analysis.agreement.agree import Within, agreement
from analysis.agreement.findings import read_findings
from analysis.agreement.page import agreement_table, markdown, summed_up

from .runs import SERVICE_MS, changed


@pytest.fixture
def contradicting(first, found_in):
    return agreement([first, found_in(SERVICE_MS | {"fastapi-onnx": 8.0})])


def shown(found, width: int = 140) -> list[str]:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(agreement_table(found))
    return console.export_text().splitlines()


def test_the_terminal_has_contradictions_first_and_ends_with_the_count(contradicting):
    lines = shown(contradicting)
    outcomes = [word for line in lines for word in ("contradict", "agree") if f" {word} " in line]
    assert outcomes.index("agree") > outcomes.index("contradict")
    assert outcomes[: contradicting.n_contradict] == ["contradict"] * contradicting.n_contradict
    counted = (
        f"{len(contradicting.rows)} findings in common: {contradicting.n_contradict} contradict, "
        f"{contradicting.n_open} open, {contradicting.n_agree} agree."
    )
    last_row = max(i for i, line in enumerate(lines) if line.startswith("│"))
    assert lines.index(counted) > last_row


def test_the_page_has_each_run_with_date_machine_and_commit(first, second):
    lines = markdown(agreement([first, second])).splitlines()
    for i, run in enumerate((first, second), start=1):
        (row,) = (line for line in lines if line.startswith(f"| {i} | {run.run_id} "))
        assert "2026-11-21T21:30:00+00:00" in row
        assert "Synthetic CPU, 2 cores, 8 GiB, no GPU; server on 1 core" in row
        assert " 000000000000 " in row
        assert " all at once " in row


def test_the_page_has_every_row_with_every_run_s_verdict_ratio_and_interval(contradicting):
    page = markdown(contradicting)
    findings = page[page.index("## Findings") :].splitlines()[4:]
    assert len(findings) == len(contradicting.rows)
    row = next(line for line in findings if "over fastapi |" in line and "server CPU" in line)
    assert row.startswith("| fastapi-onnx over fastapi | server CPU at 100 rps | contradict | bett")
    assert "better: 0.33" in row
    assert "worse: 1.3" in row
    assert "| fastapi-tuned over fastapi (handler) | server CPU at 100 rps | agree |" in page


def test_runs_of_different_machines_say_so(first, second, another):
    moved = read_findings(changed(another(), "machine", cpu_model="Another CPU").folder)
    said = "These runs were made on 2 different machines"
    assert said in markdown(agreement([first, moved]))
    assert any(line.startswith(said) for line in shown(agreement([first, moved])))
    assert said not in markdown(agreement([first, second]))


def test_a_run_of_each_contender_alone_is_named_so(first, another):
    run = another()
    run.manifest["groups"] = []
    run.save()
    page = markdown(agreement([first, read_findings(run.folder)]))
    (row,) = (line for line in page.splitlines() if line.startswith("| 2 | another "))
    assert " each alone " in row


def test_the_a_a_pair_of_each_run_is_on_the_page(first, second):
    page = markdown(agreement([first, second]))
    noise = page[page.index("## A/A") : page.index("## Findings")]
    for i in (1, 2):
        assert f"| {i} | fastapi-onnx | 100 rps | " in noise


def test_a_run_without_an_a_a_pair_says_so(first, another):
    run = another()
    run.manifest["experiment"]["aa_test"] = None
    run.save()
    page = markdown(agreement([first, read_findings(run.folder)]))
    assert "| 2 | not measured | – | – | – | – |" in page


def test_a_capacity_ratio_outside_another_run_s_interval_is_named(first, second):
    both = agreement([first, second])
    check = Within(run_id="first", other_id="second", within=False)
    row = both.rows[0].model_copy(update={"within": [check]})
    outside = both.model_copy(update={"rows": [row], "n_ratios": 2, "n_within": 1})
    (_, said) = summed_up(outside)
    assert said.startswith(
        "1 of 2 times a run's capacity ratio lies within the interval of another"
    )
    assert f" Outside: {row.after} over {row.before} of first in second. " in said


def test_the_runs_are_named_in_full_on_a_narrow_terminal(first, second):
    lines = shown(agreement([first, second]), 80)
    assert any(
        line.startswith("1  first, 2026-11-21T21:30:00+00:00, 000000000000") for line in lines
    )
