"""What a run was predicted to measure, on disk and back."""

import json
from dataclasses import replace
from math import isnan
from pathlib import Path

import pytest

from loadtests.records.predictions import (
    PREDICTIONS_FILE,
    PredictedContender,
    PredictedRate,
    PredictionBasis,
    Predictions,
    read_predictions,
    write_predictions,
)
from loadtests.records.stored import RecordError

STEADY = PredictedRate(100.0, 99.5, 4.0, 9.5, 1.5, 0.4, 0.3, saturated=False)
FOUND = Predictions(
    basis=PredictionBasis("earlier-1", "2026-11-21T21:30:00+00:00", "0" * 40, "engines-1"),
    contenders=(
        PredictedContender(
            "triton",
            "",
            250.0,
            (STEADY, replace(STEADY, rate_rps=400.0, p50_ms=None, p99_ms=None, saturated=True)),
        ),
    ),
    left_out={"litserve": "expected its engine, found none."},
    made_at="2026-11-22T21:30:00+00:00",
    took_s=2.5,
)


def test_predictions_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert read_predictions(tmp_path) is None
    write_predictions(tmp_path, FOUND)
    assert read_predictions(tmp_path) == FOUND
    write_predictions(tmp_path, Predictions("expected a run, found none."))
    assert read_predictions(tmp_path) == Predictions("expected a run, found none.")


def test_a_contender_is_found_by_name_and_a_rate_by_its_value() -> None:
    triton = FOUND.contenders[0]
    assert triton.at(100.0) is STEADY
    assert triton.at(100.1) is None
    assert (STEADY.p50_s, STEADY.p99_s) == (0.004, 0.0095)
    assert isnan(triton.rates[1].p99_s)


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        (("contenders", 0, "rates", 0, "p99_ms"), -1, "contenders.0.rates.0.p99_ms: Input should"),
        (("contenders", 0, "contender"), "../x", "contenders.0.contender: String should match"),
        (("made_at",), "noon, or so", "made_at: String should match"),
        (("schema_version",), 3, "has schema version 3, this version of the study reads 4"),
    ],
)
def test_a_file_that_is_none_is_refused_in_one_sentence(
    tmp_path: Path, where: tuple[str | int, ...], value: object, said: str
) -> None:
    write_predictions(tmp_path, FOUND)
    path = tmp_path / PREDICTIONS_FILE
    stored = json.loads(path.read_text())
    place = stored
    for step in where[:-1]:
        place = place[step]
    place[where[-1]] = value
    path.write_text(json.dumps(stored))
    with pytest.raises(RecordError) as refused:
        read_predictions(tmp_path)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
