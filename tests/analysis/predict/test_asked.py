"""Rates and growths as a person writes them."""

import pytest

from analysis.predict.asked import growth_from, rate_from
from analysis.predict.values import PredictError


@pytest.mark.parametrize(
    ("text", "rate_rps"),
    [
        ("500", 500),
        ("0.5", 0.5),
        (" 1,200/s ", 1200),
        ("500 rps", 500),
        ("1.2k QPS", 1200),
        ("500 req/s", 500),
        ("500 requests per second", 500),
        ("30k/min", 500),
        ("36k / hour", 10),
        ("2M per day", 2e6 / 86_400),
    ],
)
def test_a_rate_is_read_with_or_without_its_unit(text, rate_rps):
    assert rate_from(text) == pytest.approx(rate_rps)


@pytest.mark.parametrize(
    "text", ["", "0", "-5", "many", "500/fortnight", "1e9", "2M/s", "nan", "5 5"]
)
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(PredictError, match=r"such as 500, 500/s .* correct --rate\.$"):
        rate_from(text)


@pytest.mark.parametrize(
    ("text", "factor"), [("2x", 2), ("2", 2), ("x1.5", 1.5), ("3 X", 3), ("+50%", 1.5)]
)
def test_a_growth_is_read_as_a_factor(text, factor):
    assert growth_from(text) == factor


@pytest.mark.parametrize("text", ["", "0x", "-1x", "50%", "twice", "5000x"])
def test_what_is_no_growth_is_refused(text):
    with pytest.raises(PredictError, match=r"such as 2x or \+50%.* correct --growth\.$"):
        growth_from(text)
