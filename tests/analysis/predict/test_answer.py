"""The whole answer: which curve counts, crossovers, what is looked at closely."""

from dataclasses import replace

import pytest

from analysis.predict.answer import (
    ERROR_OF_MEASURED,
    ERROR_OF_PREDICTED,
    answered,
    curves_of,
    map_of,
    price_of_all,
)
from analysis.predict.basis import Modelled
from analysis.predict.load_curve import MEASUREMENT
from analysis.predict.plan import PlanQuestion
from analysis.predict.values import Front, PredictError, Traffic
from analysis.read.contenders import facts_of
from loadtests.records.experiment import Slo

from .curves import level
from .devices import LinearDevice

pytestmark = pytest.mark.usefixtures("brief_curves")

TRAFFIC = Traffic.of_one_length(16)
SLO = Slo(percentile=99, latency_ms=50)
DEVICE = LinearDevice(fixed_s=0.002, item_s=0.0002)
QUESTION = PlanQuestion(300.0, SLO)


def model(name, server="fastapi_service", levels=(), **front):
    declared = {"name": name, "server": server, "protocol": "http-json", "engine": "onnxruntime"}
    declared |= {"setting": "tuned", "batching": True, "summary": "any", "components": ["one"]}
    made = Front(name, 0.0005, passes="on-loop", front_cores=1, **front)
    return Modelled(facts_of(declared), made, DEVICE, "", tuple(levels))


def measured(rate_rps, p99_s, saturated=False):
    return level(rate_rps, [p99_s] * 5, by=MEASUREMENT, saturated=saturated)


ALONE = model("alone")
BATCHED = model("batched", max_batch_size=16)


@pytest.fixture(scope="module")
def found():
    models = [ALONE, BATCHED]
    return answered(QUESTION, models, curves_of(models, TRAFFIC, 99), TRAFFIC)


def test_the_crossover_is_where_one_replica_of_the_unbatched_is_no_longer_enough(found):
    (crossing,) = found.crossovers
    assert (crossing.contender, crossing.other) == ("alone", "batched")
    assert 300 < crossing.rate_rps < 370
    assert crossing.error == ERROR_OF_PREDICTED


def test_the_best_alone_and_the_best_with_a_queue_delay_are_looked_at_closely(found):
    assert list(found.sensitivity) == ["alone", "batched"]
    waiting = model("waiting", max_batch_size=8)
    waiting = replace(waiting, front=replace(waiting.front, passes="apart"))
    models = [BATCHED, ALONE, waiting]
    found = answered(QUESTION, models, curves_of(models, TRAFFIC, 99), TRAFFIC)
    assert list(found.sensitivity) == ["alone", "waiting"]
    assert "queue delay (s)" in {each.what for each in found.sensitivity["waiting"]}


def test_measured_levels_count_and_narrow_the_interval():
    levels = [measured(130, 0.01), measured(200, 0.04), measured(250, 9, saturated=True)]
    models = [replace(ALONE, measured=tuple(levels))]
    more = [
        measured(130, 0.01),
        measured(200, 0.01),
        measured(600, 0.04),
        measured(700, 9, saturated=True),
    ]
    models.append(replace(BATCHED, measured=tuple(more)))
    curves = curves_of(models, TRAFFIC, 99)
    found = answered(replace(QUESTION, rate_rps=150.0), models, curves, TRAFFIC)
    assert all(answer.measured for answer in found.answers)
    (crossing,) = found.crossovers
    assert crossing.rate_rps == pytest.approx(200, rel=0.01)
    assert crossing.error == ERROR_OF_MEASURED
    row = map_of(replace(QUESTION, rate_rps=150.0), curves).cells[8]
    assert {cell.rate_rps > 120 for cell in row if cell.measured} == {True}


def test_levels_whose_percentile_is_not_known_are_left_aside():
    unknown = [measured(100, float("inf"))]
    curves = curves_of([replace(ALONE, measured=tuple(unknown))], TRAFFIC, 99)
    assert curves.measured == {}


def test_one_price_is_that_of_every_replica():
    assert price_of_all([ALONE, BATCHED], 2.0) == {"alone": 2.0, "batched": 2.0}
    assert price_of_all([ALONE], None) is None
    with pytest.raises(PredictError, match=r"found -1: correct --price-per-hour\."):
        price_of_all([ALONE], -1)
