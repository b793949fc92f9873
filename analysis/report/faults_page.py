"""The table of what callers of the gateway saw of faults, as Markdown.

`python -m analysis.report.faults_page docs/gateway.md` writes it between its two markers, from the
committed results/reference-gateway-faults/faults.json; a test compares.
"""

import sys
from pathlib import Path

from analysis.report.words.numbers import NONE, count, number
from loadtests.records.faults import FaultFound, Faults, read_faults
from loadtests.records.markdown import inline, table, write_section

SECTION = "faults"
FILE = Path(__file__).parents[2] / "results" / "reference-gateway-faults" / "faults.json"


def faults_table(found: Faults) -> str:
    """A row a fault: statuses, the longest wait, and when it was over."""
    heads = ["fault", "calls", "callers saw", "longest wait, s", "over after, s"]
    made = f"{found.rate_rps:g} calls a second; {found.created_at[:10]}, {found.machine}."
    return f"{table(heads, [_row(each) for each in found.faults])}\n\n{inline(made)}"


def _row(each: FaultFound) -> list[str]:
    saw = ", ".join(f"{count(n)} × {inline(status)}" for status, n in each.statuses.items())
    over = NONE if each.recovered_s is None else number(each.recovered_s)
    return [inline(each.fault), count(each.n_calls), saw, number(each.longest_s), over]


if __name__ == "__main__":
    for name in sys.argv[1:]:
        write_section(Path(name), SECTION, faults_table(read_faults(FILE)))
