"""What the machine's speed is worth, on synthetic records: nothing was measured."""

import itertools

import pytest

from analysis.compare.intervals import Metric
from analysis.read.run import load_run
from analysis.selfcheck.speed import main, spreads
from analysis.validity.trials import ceilings, judge_trials
from loadtests.records.trials import Level

from ..synthetic import open_loop_rows

SLOW = {("a", 1): 1.4, ("b", 2): 1.3, ("a", 3): 1.2, ("b", 4): 1.5}
"""By contender and round: how many times as long everything takes."""


@pytest.fixture
def slowed(new_run, contender):
    """A run of two contenders on a machine whose speed changes from slice to slice."""

    def build(watched=True):
        run = new_run(["a", "b"], rates_rps=[100.0], repeats=4, steady_s=12.0)
        for name, repeat in itertools.product("ab", range(1, 5)):
            slow = SLOW.get((name, repeat), 1.0)
            one = contender(name, 0.001 * slow, overhead_s=0.002 * slow)
            requests = open_loop_rows(one, 100.0, run.steady_s, repeat)
            machine = {"work_us": {"json": 80 * slow, "copy": 110 * slow}} if watched else None
            run.add(one, requests, Level("open", rate_rps=100.0), repeat, machine=machine)
        return run.folder

    return build


def test_what_the_speed_of_the_machine_does_to_a_ratio_is_told_from_the_rest(slowed):
    run = load_run(slowed())
    found = {row.metric: row for row in spreads(judge_trials(run, ceilings(run)))}
    assert set(found) == {Metric.CPU, Metric.P50, Metric.P99}
    for metric in (Metric.CPU, Metric.P50):
        # That of log(1.4), -log(1.3), log(1.2) and -log(1.5).
        assert found[metric].as_measured == pytest.approx(0.341, rel=0.1)
        assert found[metric].without_speed < 0.05
        assert found[metric].n_pairs == 1


def test_the_table_of_a_run_is_printed(slowed, capsys):
    assert main([str(slowed())]) == 0
    head, _, *rows = capsys.readouterr().out.strip().splitlines()
    assert head == "| figure | as measured | without the machine's speed | pairs |"
    assert [row.split("|")[1].strip() for row in rows] == ["CPU a request", "P50", "P99"]


def test_a_run_in_which_the_machine_was_not_watched_is_one_sentence(slowed, capsys):
    assert main([str(slowed(watched=False))]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "in which the machine's speed was watched, found none" in said


def test_without_a_run_it_says_how_it_is_called(capsys):
    assert main([]) == 2
    assert "python -m analysis.selfcheck.speed RUN" in capsys.readouterr().err
