"""What several runs say together."""

import pytest

from analysis.agreement.agree import Outcome, agreement, outcome, within
from analysis.agreement.findings import AT_A_LEVEL, Figure, Found, read_findings
from analysis.compare.verdicts import Verdict

from .runs import SERVICE_MS, finished_run

BETTER, WORSE, SAME, NOTHING = Verdict


def found(verdict, ratio=1.0, low=0.9, high=1.1):
    return Found(ratio=ratio, low=low, high=high, verdict=verdict)


def at_a_level(rows):
    return {(row.before, row.after, row.level, row.figure) for row in rows if row.level}


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((BETTER, BETTER), Outcome.AGREE),
        ((SAME, SAME, SAME), Outcome.AGREE),
        ((WORSE, NOTHING, WORSE), Outcome.AGREE),
        ((BETTER, WORSE), Outcome.CONTRADICT),
        ((BETTER, SAME), Outcome.CONTRADICT),
        ((WORSE, NOTHING, SAME), Outcome.CONTRADICT),
        ((BETTER, NOTHING), Outcome.OPEN),
        ((NOTHING, NOTHING, NOTHING), Outcome.OPEN),
    ],
)
def test_runs_agree_contradict_or_leave_it_open(verdicts, expected):
    assert outcome([found(verdict) for verdict in verdicts]) is expected


def test_a_run_that_did_not_measure_it_says_nothing():
    assert outcome([found(BETTER), None]) is Outcome.OPEN


def test_two_runs_of_the_same_services_agree_in_every_step_and_every_comparison(first, second):
    both = agreement([first, second])
    pairs = [("fastapi", "fastapi-tuned"), ("fastapi-tuned", "fastapi-onnx")]
    compared = [*pairs, ("fastapi", "fastapi-onnx")]
    assert at_a_level(both.rows) == {
        (*pair, "100rps", figure) for pair in compared for figure in AT_A_LEVEL
    }
    assert both.n_contradict == 0
    assert {row.outcome for row in both.rows if row.figure is Figure.P50} == {Outcome.AGREE}
    by_pair = {(row.before, row.after): row.changes for row in both.rows}
    assert by_pair["fastapi", "fastapi-tuned"] == ["handler"]
    assert by_pair["fastapi", "fastapi-onnx"] == []


def test_every_row_has_the_verdict_ratio_and_interval_of_every_run(first, second):
    both = agreement([first, second])
    row = next(r for r in both.rows if (r.after, r.figure) == ("fastapi-tuned", Figure.CPU))
    assert [each.verdict for each in row.found] == [BETTER, BETTER]
    for each in row.found:
        assert each.low <= each.ratio <= each.high
        assert each.ratio == pytest.approx(4 / 6, rel=0.1)


def test_a_contradiction_is_found_and_comes_first(first, second, found_in):
    slower = found_in(SERVICE_MS | {"fastapi-onnx": 8.0})
    all_three = agreement([first, second, slower])
    first_rows = all_three.rows[: all_three.n_contradict]
    assert {row.outcome for row in first_rows} == {Outcome.CONTRADICT}
    assert {row.after for row in first_rows} == {"fastapi-onnx"}
    cpu = next(r for r in first_rows if r.figure is Figure.CPU and r.before == "fastapi")
    assert [each.verdict for each in cpu.found] == [BETTER, BETTER, WORSE]


def test_two_rounds_reach_no_verdict_and_leave_all_open(first, found_in):
    short = found_in(repeats=2)
    rows = [row for row in agreement([first, short]).rows if row.level]
    assert rows
    assert {row.outcome for row in rows} == {Outcome.OPEN}


def test_runs_of_other_experiments_are_compared_in_what_both_have(first, found_in):
    """As a default run and a reference run: more levels, other contenders between."""
    longer = found_in({"fastapi": 6.0, "fastapi-onnx": 2.0, "triton": 1.0}, (50.0, 100.0))
    both = agreement([first, longer])
    assert at_a_level(both.rows) == {
        ("fastapi", "fastapi-onnx", "100rps", figure) for figure in AT_A_LEVEL
    }


def test_a_level_that_two_of_three_runs_have_is_compared_between_those(first, second, found_in):
    other_level = found_in(rates_rps=(50.0,))
    rows = agreement([first, second, other_level]).rows
    assert {level for _, _, level, _ in at_a_level(rows)} == {"100rps"}
    assert all(row.found[2] is None for row in rows if row.level)


def test_a_run_of_each_contender_alone_is_compared_like_any_other(first, second, another):
    isolated = another(seed=1)
    isolated.manifest["groups"] = []
    isolated.save()
    alone = agreement([first, read_findings(isolated.folder)])
    together = agreement([first, second])
    assert [row.outcome for row in alone.rows] == [row.outcome for row in together.rows]
    assert [run.groups for run in alone.runs] == [first.manifest.groups, []]


def test_the_a_a_pair_of_each_run_is_stated(first, second):
    for run in agreement([first, second]).runs:
        assert run.aa_contender == "fastapi-onnx"
        (level,) = run.aa_levels
        assert level.level == "100rps"
        assert set(level.found) == set(AT_A_LEVEL)
        assert level.found[Figure.CPU].ratio == pytest.approx(1.0, abs=0.1)


def test_each_capacity_ratio_is_held_against_the_interval_of_every_other_run():
    ratios = [found(BETTER, 2.0, 1.8, 2.2), None, found(BETTER, 2.1, 2.05, 2.3)]
    assert [(each.run_id, each.other_id, each.within) for each in within("abc", ratios)] == [
        ("a", "c", False),
        ("c", "a", True),
    ]


def test_a_run_without_a_ratio_or_an_interval_bounds_nothing():
    unknown = found(NOTHING, None, None, None)
    assert within("ab", [found(BETTER, 2.0, 1.8, 2.2), unknown]) == []


def test_runs_with_a_single_rate_searched_no_capacity_and_are_not_asked_for_one(first, second):
    assert not [row for row in agreement([first, second]).rows if row.figure is Figure.CAPACITY]


def test_capacities_of_the_same_services_lie_within_each_other_s_intervals(found_in, tmp_path):
    rates_rps = (100.0, 126.0, 159.0, 200.0, 252.0, 318.0, 400.0, 504.0, 635.0)
    searched = {"fastapi": 6.0, "fastapi-onnx": 2.0}, rates_rps
    one = found_in(*searched)
    other = read_findings(finished_run(tmp_path / "other", *searched, seed=1).folder)
    both = agreement([one, other])
    (row,) = (row for row in both.rows if row.figure is Figure.CAPACITY)
    assert [each.verdict for each in row.found] == [BETTER, BETTER]
    assert (both.n_within, both.n_ratios) == (2, 2)
