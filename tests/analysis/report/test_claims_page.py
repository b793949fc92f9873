import re

from analysis.claims.catalogue import BY_ID
from analysis.report.claims_page import BEGIN, END, claims_table, with_table


def test_each_claim_has_a_row_for_each_run_that_measures_it(gpu_summary, searched_summary):
    table = claims_table({"on-gpu": gpu_summary.claims, "on-cpu": searched_summary.claims})
    for run, summary in (("on-gpu", gpu_summary), ("on-cpu", searched_summary)):
        measured = [claim for claim in summary.claims if claim.readings]
        assert table.count(f"| `{run}` |") == len(measured)
    assert re.search(r"\| FP16 is 1\.5 to 2 times as fast as FP32\. .*1\.83×.*\*\*holds\*\*", table)


def test_what_no_run_measures_is_listed_with_what_would(gpu_summary, searched_summary):
    table = claims_table({"on-gpu": gpu_summary.claims, "on-cpu": searched_summary.claims})
    _, _, rest = table.partition("Not measured yet")
    mig = BY_ID["mig"]
    assert f"* {mig.text} ({mig.where}): {mig.how}." in rest
    assert "FP16" not in rest


def test_only_what_stands_between_the_markers_is_replaced():
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert with_table(text, "new") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
