import pytest

from analysis.read.run import load_run
from analysis.report.summary import summarise
from analysis.selfcheck.scale import CONTENDERS, analyse, write_simulated_run


def test_a_simulated_run_goes_the_whole_way_and_says_what_it_is(tmp_path):
    folder = tmp_path / "simulated"
    write_simulated_run(folder, 54_000)
    summary = summarise(load_run(folder))
    assert sum(t.metrics.n_offered for t in summary.trials) == pytest.approx(54_000, abs=54)
    assert summary.manifest.experiment.description.startswith("Simulated rows")
    assert {c.contender for c in summary.comparison} == set(CONTENDERS[1:])
    assert all(t.usable for t in summary.trials)


def test_an_analysis_says_what_it_took(tmp_path):
    folder = tmp_path / "simulated"
    write_simulated_run(folder, 5_000)
    cost = analyse(folder)
    assert cost.seconds > 0
    assert cost.peak_bytes > 2**20
