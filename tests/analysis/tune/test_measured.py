"""What a run says of configurations: a synthetic one, whose servers are simulated."""

import json
from pathlib import Path

import pytest

from analysis.compare.verdicts import Verdict
from analysis.tune.figure import places
from analysis.tune.measured import Generation, beyond, judge, read_generation
from analysis.tune.page import FIGURE, RESULT, page, tuned, write_tuned
from analysis.tune.verdict import Outcome
from loadtests.records.tuning import TUNING_PAGE, Judged, Limits

from ..synthetic import SyntheticContender, SyntheticRun
from .asked import DEFAULT, tuning

RATES_RPS = [20.0, 100.0, 170.0, 190.0, 210.0, 340.0, 380.0, 420.0]
SERVICE_S = {"triton": 0.005, "c1": 0.0025, "c2": 0.005, "c3": 0.0025}
SETTINGS = {
    "triton": DEFAULT,
    "c1": DEFAULT | {"max_batch_size": 8},
    "c2": DEFAULT | {"instances": 2},
    "c3": {"max_batch_size": 8, "instances": 2},
}
"""Half the default's service with max_batch_size 8, and the same as without it with 2 instances."""


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated_run(tmp_path_factory.mktemp("tuned") / "generation-1", RATES_RPS)


def simulated_run(folder: Path, rates_rps: list[float]) -> Path:
    run = SyntheticRun(
        folder,
        [*SERVICE_S, "gone"],
        rates_rps=rates_rps,
        steady_s=4.0,
        repeats=3,
        aa_test="triton",
    )
    run.calibrate("null-http", "http-json", 4000)
    options = {"curve": "", "max_queue_size": 0}
    contenders = [
        SyntheticContender(name, service_s, options=options | SETTINGS[name])
        for name, service_s in SERVICE_S.items()
    ]
    fails = SyntheticContender("gone", 0.001, fails="it did not start", options=options | DEFAULT)
    run.simulate([*contenders, fails])
    return run.folder


@pytest.fixture(scope="module")
def generation(run_dir: Path) -> Generation:
    return read_generation(run_dir, tuning())


@pytest.fixture(scope="module")
def judged(run_dir: Path) -> Judged:
    return judge(run_dir, tuning())


def test_a_configuration_with_half_the_service_has_twice_the_capacity_and_a_lower_p50(
    generation: Generation,
) -> None:
    c1 = generation.candidates[0]
    assert (c1.name, c1.changes, c1.problem) == ("c1", {"max_batch_size": 8}, "")
    assert c1.capacity.verdict is Verdict.BETTER
    assert c1.capacity.ratio == pytest.approx(2, rel=0.2)
    assert c1.p50 is not None
    assert c1.p50.ratio == pytest.approx(3.5 / 6, rel=0.1)
    assert c1.p50.verdict is Verdict.BETTER


def test_one_that_serves_as_the_default_does_is_not_better(generation: Generation) -> None:
    c2 = generation.candidates[1]
    assert c2.capacity.ratio == pytest.approx(1)
    assert c2.capacity.verdict is not Verdict.BETTER
    assert c2.p50 is not None
    assert c2.p50.verdict is Verdict.NO_MATERIAL_DIFFERENCE


def test_one_that_failed_has_a_problem_and_no_score(judged: Judged, generation: Generation) -> None:
    gone = generation.candidates[-1]
    assert "it did not start" in gone.problem
    assert judged.scores["gone"] is None


def test_the_search_learns_the_ratios_and_the_capacity_of_the_default(judged: Judged) -> None:
    score = judged.scores["c1"]
    assert score is not None
    assert score.allowed
    assert score.capacity_ratio == pytest.approx(2, rel=0.2)
    assert judged.default_rps == pytest.approx(180, rel=0.15)


def test_where_every_rate_was_met_the_search_goes_on_from_the_highest(tmp_path: Path) -> None:
    run_dir = simulated_run(tmp_path / "generation-1", [20.0, 100.0])
    found = judge(run_dir, tuning())
    assert (found.default_rps, found.open) == (100, {"c1", "c2", "c3"})
    assert set(found.scores.values()) == {None}
    few = simulated_run(tmp_path / "generation-2", [20.0])  # too few slices for an estimate
    assert judge(few, tuning()).open == {"c1", "c2", "c3"}
    assert "| capacity not reached: 100 requests/s are met |" in "\n".join(
        page(tuned(tuning(), [run_dir], None))
    )


def test_what_one_option_did_is_told_by_pairs_that_differ_in_nothing_else(
    generation: Generation,
) -> None:
    found = [(e.option, e.before, e.after, e.beside) for e in generation.effects]
    assert ("max_batch_size", 32, 8, {}) in found
    assert ("instances", 1, 2, {}) in found
    assert ("max_batch_size", 32, 8, {"instances": 2}) in found
    assert ("instances", 1, 2, {"max_batch_size": 8}) in found
    assert len(found) == 4  # none with the one that failed


def test_a_candidate_beyond_the_limits_is_measured_and_not_allowed(run_dir: Path) -> None:
    strict = tuning(limits=Limits(p50_ms=5, memory_mib=100))
    found = read_generation(run_dir, strict)
    assert [each.split()[0] for each in found.default.beyond] == ["P50", "memory"]
    assert not any(each.in_play for each in found.candidates)


def test_what_is_not_known_is_not_beyond_a_limit() -> None:
    assert beyond(Limits(p50_ms=5, memory_mib=100), None, None) == []
    assert beyond(Limits(p50_ms=5), 5.0, 999.0) == []


def test_the_page_the_figure_and_the_result_say_which_configuration_to_take(
    run_dir: Path, tmp_path: Path
) -> None:
    found = tuned(tuning(), [], run_dir)
    assert found.answer.outcome is Outcome.MORE_CAPACITY
    written = write_tuned(tmp_path, found, run_dir)
    assert [path.name for path in written] == [TUNING_PAGE, RESULT, FIGURE]
    text = (tmp_path / TUNING_PAGE).read_text()
    assert "\nTake triton with max_batch_size = 8" in text
    for heading in ("The best once more", "What each option did", "Every configuration"):
        assert f"\n## {heading}" in text
    assert "| `instances` | 1 | 2 | max_batch_size = 8 |" in text
    assert "- Machine: Synthetic CPU" in text
    assert json.loads((tmp_path / RESULT).read_text())["sentence"] == found.sentence
    figure = (tmp_path / FIGURE).read_text()
    assert figure.startswith("<svg")
    assert "capacity, over the default" in figure


def test_a_configuration_is_drawn_once_where_it_was_measured_last(generation: Generation) -> None:
    found = places([generation], generation.model_copy())
    assert sorted(each.candidate.name for each in found) == ["c1", "c2", "c3"]
    assert all(each.sure for each in found)
    assert not any(each.sure for each in places([generation], None))


def test_a_search_that_compared_nothing_still_has_its_page(run_dir: Path, tmp_path: Path) -> None:
    found = tuned(tuning(), [run_dir], None)
    assert found.answer.outcome is Outcome.NOT_COMPARED
    write_tuned(tmp_path, found, None)
    assert "Nothing can be said: of 4 configurations" in (tmp_path / TUNING_PAGE).read_text()
