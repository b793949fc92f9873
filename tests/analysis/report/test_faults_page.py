"""The committed table of faults."""

from pathlib import Path

from analysis.report.faults_page import FILE, SECTION, faults_table
from loadtests.records.faults import read_faults
from loadtests.records.markdown import with_section

ROOT = Path(__file__).parents[3]


def test_the_committed_table_is_that_of_the_committed_figures():
    text = (ROOT / "docs/gateway.md").read_text(encoding="utf-8")
    assert with_section(text, SECTION, faults_table(read_faults(FILE))) == text


def test_without_a_fault_every_call_was_answered():
    first, *others = read_faults(FILE).faults
    assert first.fault == "none"
    assert set(first.statuses) == {"200"}
    assert others
