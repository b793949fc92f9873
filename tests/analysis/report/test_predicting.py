"""A run that begins is predicted from a committed one, and its report shows both. Nothing here was
measured."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.predict.basis import basis_of
from analysis.read.run import load_run
from analysis.report.figures.predicted import predicted_figure
from analysis.report.front_costs import costs_of_run
from analysis.report.planning import DEFAULT_RUN, read_basis
from analysis.report.predicting import predict_run
from analysis.report.render import render_report
from analysis.report.summary import Summary, summarise
from loadtests.records.engines import write_engines
from loadtests.records.front_costs import read_front_costs, write_front_costs
from loadtests.records.predictions import Predictions, ToPredict, write_predictions

from ..synthetic import LENGTHS, SyntheticRun, facts
from .planned_run import CONTENDERS, engine, planned_run, served

RATES_RPS = (50.0, 200.0, 400.0)
OTHER = served("litserve", 0.002)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = planned_run(tmp_path_factory.mktemp("runs") / "earlier")
    basis = read_basis(folder)[0]
    write_front_costs(folder, basis.run_id, costs_of_run(basis))
    return folder


def begun(folder: Path) -> SyntheticRun:
    return SyntheticRun(folder, [each.name for each in CONTENDERS], rates_rps=[50.0, 400.0])


def question(run: SyntheticRun, rates_rps: Sequence[float] = RATES_RPS) -> ToPredict:
    declared = [facts(each) for each in (*CONTENDERS, replace(OTHER, server="synthetic"))]
    return ToPredict(run.folder, declared, rates_rps, [int(n) for n in LENGTHS], 60.0)


def predicted(run: SyntheticRun, earlier: Path) -> Predictions:
    return predict_run(question(run), earlier, earlier)


def test_a_run_is_predicted_from_an_earlier_one_which_is_named(
    tmp_path: Path, earlier: Path
) -> None:
    found = predicted(begun(tmp_path / "new"), earlier)
    assert found.reason == ""
    assert [each.contender for each in found.contenders] == [each.name for each in CONTENDERS]
    assert [each.rate_rps for each in found.contenders[0].rates] == list(RATES_RPS)
    assert "found litserve of synthetic" in found.left_out["litserve"]
    assert found.basis is not None
    assert (found.basis.costs_from, found.basis.engines_from) == ("earlier", "earlier")
    assert found.basis.costs_created_at == "2026-11-21T21:30:00+00:00"
    assert found.basis.costs_commit == "0" * 40


def test_the_run_s_own_engines_come_before_those_of_the_earlier_run(
    tmp_path: Path, earlier: Path
) -> None:
    run = begun(tmp_path / "new")
    as_before = predicted(run, earlier)
    write_engines(run.folder, [engine(ms=4.0)])
    slower = predicted(run, earlier)
    assert slower.basis is not None
    assert slower.basis.engines_from == "new"
    assert slower.contenders[0].highest_rps < 0.6 * as_before.contenders[0].highest_rps


def test_where_the_basis_is_missing_the_reason_is_the_record(tmp_path: Path, earlier: Path) -> None:
    run = begun(tmp_path / "new")
    nowhere = predict_run(question(run), tmp_path / "nowhere", earlier)
    assert nowhere.reason.startswith("expected manifest.json in")
    run.manifest["machine"]["cpu_model"] = "Another CPU"
    run.save()
    reason = predicted(run, earlier).reason
    assert "an earlier run on Another CPU, 1 of its cores, model aaaaaaaaaaaa, found" in reason
    assert "earlier on Synthetic CPU" in reason


def test_an_earlier_run_without_its_costs_or_with_those_of_another_is_no_basis(
    tmp_path: Path,
) -> None:
    run, bare = begun(tmp_path / "new"), planned_run(tmp_path / "bare")
    assert predicted(run, bare).reason.startswith(f"expected front_costs.json in {bare}")
    write_front_costs(bare, "another", [])
    assert "the costs of bare in" in predicted(run, bare).reason
    assert "found those of another: make them again" in predicted(run, bare).reason


def test_closed_loops_and_rates_that_change_are_not_predicted(
    tmp_path: Path, earlier: Path
) -> None:
    run = begun(tmp_path / "new")
    assert "closed loops only" in predict_run(question(run, []), earlier, earlier).reason
    steps = {"kind": "steps", "pattern": [{"relative_rate": 1.0, "duration_s": 1.0}] * 2}
    run.manifest["experiment"]["load"]["arrivals"] = steps
    run.save()
    assert "expected arrivals of one rate, found steps" in predicted(run, earlier).reason


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory, earlier: Path) -> Summary:
    """A run that was predicted before it was simulated."""
    run = begun(tmp_path_factory.mktemp("runs") / "new")
    found = predicted(run, earlier)
    times = {"made_at": "2026-11-22T08:00:00+00:00", "took_s": 1.25}
    write_predictions(run.folder, replace(found, **times))
    run.calibrate("null-http", "http-json", 4000)
    run.simulate(CONTENDERS)
    return summarise(load_run(run.folder))


def row(html: str, contender: str, level: str) -> list[str]:
    found = re.search(rf'<tr data-predicted="{contender} {level}">.*?</tr>', html, re.DOTALL)
    assert found
    cells = re.findall(r"<td[^>]*>(.*?)</td>", found[0], re.DOTALL)
    return [re.sub("<[^>]+>", "", cell) for cell in cells]


def test_the_report_shows_prediction_measurement_and_error_of_every_point(
    summary: Summary, tmp_path: Path
) -> None:
    html = render_report(summary)
    assert "Predicted before, measured after" in html
    assert "Predicted at 2026-11-22 08:00, in 1.25 s, before the first trial." in html
    assert "run earlier of 2026-11-21 21:30, commit 0000000. Engines: run earlier." in html
    assert "Not predicted: litserve" in html
    assert summary.foretold is not None
    assert len(summary.foretold.points) == 2 * len(CONTENDERS)
    point = next(p for p in summary.points if p.contender == "fastapi" and p.level == "50rps")
    own = next(
        p for p in summary.foretold.points if p.contender == "fastapi" and p.level == "50rps"
    )
    assert point.metrics is not None
    assert own.predicted_p50_ms is not None
    assert (own.p50_ms, own.p99_ms) == (
        point.metrics.latency_p50_ms,
        point.metrics.latency_p99_ms,
    )
    off = own.predicted_p50_ms / (own.p50_ms or 0) - 1
    assert own.p50_error == pytest.approx(off)
    cells = row(html, "fastapi", "50rps")
    shown = [float(re.sub(r"[^0-9.+-]", "", cell)) for cell in cells[2:9]]
    wanted = [own.load * 100, own.predicted_throughput_rps, own.throughput_rps]
    assert own.throughput_error is not None
    wanted += [own.throughput_error * 100, own.predicted_p50_ms, own.p50_ms or 0, off * 100]
    assert shown == pytest.approx(wanted, rel=0.006, abs=0.05)


def test_the_line_on_the_goals_counts_the_points_within_them(summary: Summary) -> None:
    assert summary.foretold is not None
    judged = [p for p in summary.foretold.points if p.within_goals is not None]
    n_within = sum(p.within_goals is True for p in judged)
    assert summary.foretold.n_judged == len(judged) > 0
    html = render_report(summary)
    assert f"{n_within} of {len(judged)} points up to 90" in html
    words = {row(html, p.contender, p.level)[-1] for p in judged}
    assert words <= {"yes", "no"}


def test_the_figure_has_a_mark_for_each_point_whose_p99_is_known_twice(summary: Summary) -> None:
    assert summary.foretold is not None
    both = [p for p in summary.foretold.points if p.p99_error is not None]
    drawn = predicted_figure(summary)
    assert drawn is not None
    marks = [
        (x, y)
        for line in drawn.axes[0].lines
        if line.get_linestyle() == "None"
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    ]
    assert sorted(marks) == sorted((p.p99_ms, p.predicted_p99_ms) for p in both) != []
    assert predicted_figure(summary.model_copy(update={"foretold": None})) is None


def test_a_run_without_predictions_shows_nothing_and_one_that_had_none_says_why(
    summary: Summary,
) -> None:
    assert 'id="predicted"' not in render_report(summary.model_copy(update={"foretold": None}))
    assert summary.foretold is not None
    none = summary.foretold.model_copy(update={"reason": "it was begun without.", "points": []})
    html = render_report(summary.model_copy(update={"foretold": none}))
    assert "Nothing was predicted: it was begun without." in html


def test_the_committed_costs_are_those_that_the_committed_run_gives() -> None:
    committed = read_front_costs(DEFAULT_RUN)
    manifest = json.loads((DEFAULT_RUN / "manifest.json").read_text())
    assert committed.run_id == manifest["run_id"]
    assert {each.name for each in committed.fronts} == set(manifest["experiment"]["contenders"])
    stored = {each.name: each for each in committed.fronts}
    run = load_run(DEFAULT_RUN)
    summary = Summary.model_validate_json((DEFAULT_RUN / "summary.json").read_text())
    basis = basis_of(run, summary.points)
    for found in costs_of_run(basis, ("fastapi", "fastapi-batched")):
        assert stored[found.name].options == found.options
        for cost in ("front_cpu_s", "hop_cpu_s", "cold_cpu_s", "overhead_s"):
            assert getattr(stored[found.name], cost) == pytest.approx(
                getattr(found, cost), rel=1e-6, abs=1e-9
            )
