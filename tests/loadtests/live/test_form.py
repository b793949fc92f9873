from typing import Any

import pytest

from loadtests.live.form import Form, FormError, capacity_search, comparison
from loadtests.plan.live_choices import ARRIVALS, LENGTHS
from servers.discovery import discover

UP = ["fastapi", "triton", "hybrid"]
TEXTS = ["mine.txt", "messages of the study"]


def given(**changes: Any) -> dict[str, Any]:
    return {
        "contenders": ["triton", "fastapi"],
        "rate_rps": "50",
        "arrivals": next(iter(ARRIVALS)),
        "texts": TEXTS[1],
        "lengths": next(iter(LENGTHS)),
        "seconds": "30",
        "slo_ms": "100",
    } | changes


def made(**changes: Any) -> Any:
    return comparison(Form.read(given(**changes), UP, TEXTS), discover(), 7, "small", None)


def test_the_same_load_for_all_in_the_order_of_the_page() -> None:
    experiment = made()
    assert experiment.contenders == ("fastapi", "triton")
    assert experiment.reference == "fastapi"
    assert experiment.load.rates_rps == (50.0,)
    assert experiment.capacity is None
    assert experiment.calibration.contenders == ("null-http", "null-grpc")


def test_only_the_clients_in_use_are_calibrated() -> None:
    assert made(contenders=["fastapi", "hybrid"]).calibration.contenders == ("null-http",)


@pytest.mark.parametrize("arrivals", ARRIVALS)
def test_every_arrival_process_of_the_page_is_one_of_an_experiment(arrivals: str) -> None:
    assert made(arrivals=arrivals).load.arrivals == ARRIVALS[arrivals]


def test_a_search_for_capacity_has_no_common_rate() -> None:
    searched = capacity_search(made(slo_ms="40"))
    assert searched.load.rates_rps == ()
    assert searched.capacity is not None
    assert searched.slo.latency_ms == 40


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"contenders": ["triton"]}, "at least two contenders that are up, found 1"),
        ({"contenders": "triton"}, "at least two contenders that are up, found 0"),
        ({"contenders": ["triton", "no-such"]}, "found 1"),
        ({"rate_rps": "0"}, "a rate in requests a second from 0.1 to 5000, found '0'"),
        ({"rate_rps": "nan"}, "found 'nan'"),
        ({"rate_rps": None}, "found 'None'"),
        ({"seconds": "1e9"}, "seconds for each contender from 10 to 3600"),
        ({"slo_ms": "soon"}, "a bound of the P99 in ms from 1 to 60000, found 'soon'"),
        ({"arrivals": "often"}, "found 'often'"),
        ({"texts": "/etc/passwd"}, "expected one of mine.txt; messages of the study"),
        ({"lengths": 3}, "found '3'"),
    ],
)
def test_what_is_wrong_with_a_form_is_said_in_a_sentence(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(FormError) as raised:
        Form.read(given(**changes), UP, TEXTS)
    assert said in str(raised.value)
