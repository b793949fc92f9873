from dataclasses import replace

import pytest

from analysis.read.run import load_run
from analysis.report.summary import summarise
from analysis.selfcheck import scale
from analysis.selfcheck.scale import (
    BUDGET_BYTES,
    BUDGET_ROWS,
    BUDGET_S,
    CONTENDERS,
    Cost,
    over_budget,
    write_simulated_run,
)


def test_a_simulated_run_goes_the_whole_way_and_says_what_it_is(tmp_path):
    folder = tmp_path / "simulated"
    write_simulated_run(folder, 54_000)
    summary = summarise(load_run(folder))
    assert sum(t.metrics.n_offered for t in summary.trials) == pytest.approx(54_000, abs=54)
    assert summary.manifest.experiment.description.startswith("Simulated rows")
    assert {c.contender for c in summary.comparison} == set(CONTENDERS[1:])
    assert all(t.usable for t in summary.trials)


WITHIN = Cost(BUDGET_S, 90.0, BUDGET_BYTES)


@pytest.mark.parametrize(
    ("cost", "sentence"),
    [
        (WITHIN, None),
        (
            replace(WITHIN, seconds=30.1),
            "expected the analysis to take at most 30 s, found 30.1 s.",
        ),
        (
            replace(WITHIN, peak_bytes=5 * 2**30),
            "expected the analysis to take at most 4 GiB, found 5.00 GiB.",
        ),
    ],
)
def test_an_analysis_beyond_a_budget_ends_with_the_sentence_that_says_so(
    cost, sentence, monkeypatch, capsys
):
    monkeypatch.setattr(scale, "_cost_of_simulated", lambda _: cost)
    with pytest.raises(SystemExit) as ended:
        scale.main([])
    assert ended.value.code == sentence
    assert f"{cost.seconds:.1f} of 30" in capsys.readouterr().out


def test_more_rows_than_the_budgets_are_for_are_not_judged():
    beyond = replace(WITHIN, seconds=31.0)
    assert over_budget(beyond, BUDGET_ROWS)
    assert over_budget(beyond, BUDGET_ROWS + 1) is None
