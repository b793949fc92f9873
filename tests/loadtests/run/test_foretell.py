"""Predictions are made and stored before the first slice, on a simulated machine."""

from pathlib import Path
from typing import Any

import pytest

from loadtests.records.experiment import CalibrationSpec, LoadSpec
from loadtests.records.predictions import (
    PREDICTIONS_FILE,
    PredictedContender,
    Predictions,
    ToPredict,
    read_predictions,
)
from loadtests.run.foretell import MOST_OF_TIME, rates_rps
from loadtests.spec.experiment import CapacitySpec, EnginesSpec, Experiment

ENGINES = EnginesSpec(lengths_tokens=(16,), batch_sizes=(1,), repeats=1)


def asked(**settings: Any) -> Experiment:
    load = LoadSpec(rates_rps=(30, 40), warmup_s=0.5, steady_s=2)
    fields = {"name": "t", "reference": "null-http", "contenders": ("null-http",), "load": load}
    return Experiment(**(fields | {"rounds": 2, "calibration": None} | settings))


@pytest.fixture
def run_folder(tmp_path: Path) -> Any:
    def only() -> Path:
        (folder,) = (tmp_path / "results").iterdir()
        return folder

    return only


@pytest.fixture
def oracle(heard_until: Any) -> Any:
    """A predictor that remembers what it was asked, and when, in the order of what was heard."""

    class Oracle:
        def __init__(self, stop_after: int | None = None) -> None:
            self.heard = heard_until(stop_after=stop_after)
            self.asked: list[ToPredict] = []

        def __call__(self, question: ToPredict) -> Predictions:
            self.heard.order.append("predicted")
            self.asked.append(question)
            return Predictions(contenders=(PredictedContender("null-http", "", 1.0, ()),))

    return Oracle


def test_predictions_are_made_after_the_engines_and_before_any_slice(
    study: Any, machine: Any, oracle: Any, run_folder: Any
) -> None:
    predict = oracle()
    experiment = asked(
        contenders=("fastapi", "null-http"),
        engines=ENGINES,
        calibration=CalibrationSpec(
            contenders=("null-http",), concurrency=2, warmup_s=0.5, steady_s=1
        ),
    )
    study(machine(), experiment, heard=predict.heard, predict=predict)
    assert predict.heard.order[:3] == ["torch", "predicted", "calibration-null-http-c2"]
    (question,) = predict.asked
    assert question.run_dir == run_folder()
    assert [each["name"] for each in question.contenders] == ["fastapi", "null-http"]
    assert (question.rates_rps, question.n_tokens) == ([30, 40], [4])
    stored = read_predictions(run_folder())
    assert stored is not None
    assert [each.contender for each in stored.contenders] == ["null-http"]
    assert stored.made_at


def test_predictions_may_take_a_small_share_of_the_time_that_is_left(
    study: Any, machine: Any, oracle: Any
) -> None:
    predict = oracle()
    study(machine(), asked(rounds=None), 400.0, heard=predict.heard, predict=predict)
    assert predict.asked[0].within_s == pytest.approx(MOST_OF_TIME * 400, rel=0.01)


def test_a_continued_run_keeps_what_was_predicted_before_its_first_slice(
    study: Any, machine: Any, oracle: Any, run_folder: Any
) -> None:
    first, later = oracle(stop_after=1), oracle()
    with pytest.raises(KeyboardInterrupt):
        study(machine(), asked(), heard=first.heard, predict=first)
    stored = (run_folder() / PREDICTIONS_FILE).read_bytes()
    study(machine(), asked(), heard=later.heard, predict=later)
    assert not later.asked
    assert (run_folder() / PREDICTIONS_FILE).read_bytes() == stored


def test_a_run_that_has_slices_is_not_predicted_after_the_fact(
    study: Any, machine: Any, oracle: Any, heard_until: Any, run_folder: Any
) -> None:
    with pytest.raises(KeyboardInterrupt):
        study(machine(), asked(), heard=heard_until(stop_after=1))
    assert read_predictions(run_folder()) is None
    later = oracle()
    study(machine(), asked(), heard=later.heard, predict=later)
    assert not later.asked
    stored = read_predictions(run_folder())
    assert stored is not None
    assert stored.reason.startswith("expected no slice before the predictions, found some")
    assert f"Not predicted: {stored.reason}" in later.heard.said


def test_what_is_not_predicted_is_said_and_stored_and_the_run_goes_on(
    study: Any, machine: Any, heard_until: Any, run_folder: Any
) -> None:
    heard = heard_until()
    left_out = Predictions(left_out={"null-http": "it is none."})
    study(machine(), asked(), heard=heard, predict=lambda _: left_out)
    assert "Not predicted: it is none." in heard.said
    assert len(heard.finished) == 2
    stored = read_predictions(run_folder())
    assert stored is not None
    assert stored.left_out == {"null-http": "it is none."}


def test_the_rates_are_the_common_ones_and_those_of_the_search() -> None:
    capacity = CapacitySpec(start_rps=40, min_rps=20, max_rps=80, resolution=2)
    assert rates_rps(asked(capacity=capacity)) == [20, 30, 40, 80]
