import pytest

from analysis.claims.judge import ClaimMeasurement, Quantity
from analysis.report.words.claims import measured, reading, verdict


@pytest.mark.parametrize(
    ("value", "low", "high", "unit", "shown"),
    [
        (1.8, 1.8, 1.8, "ratio", "1.80×"),
        (0.4, None, None, "ratio", "0.400×"),
        (2.4, 1.3, None, "ratio", "2.40× (at least 1.30)"),
        (None, None, 75, "rps", "at most 75 rps"),
        (0.28, 0.28, 0.28, "share", "28.0 %"),
        (2.12, 2.12, 2.12, "requests", "2.12"),
    ],
)
def test_a_reading_has_its_unit_and_its_interval_where_there_is_one(value, low, high, unit, shown):
    found = ClaimMeasurement(quantity=Quantity.CAPACITY, of="a", value=value, low=low, high=high)
    assert reading(found, unit).replace("\N{NO-BREAK SPACE}", " ") == shown


def test_a_claim_that_holds_for_some_readings_names_them(gpu_summary):
    claim = next(claim for claim in gpu_summary.claims if claim.id == "before-gpu-30")
    assert verdict(claim) == ("holds only when: fastapi, SM active; fastapi-tuned, SM active")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"quantity": Quantity.CAPACITY}, "capacity of a"),
        ({"quantity": Quantity.CAPACITY_RATIO, "over": "b"}, "capacity, a over b"),
        (
            {"quantity": Quantity.CAPACITY_PER_INSTANCE, "over": "b", "n_instances": 2},
            "capacity, a over 2 times b",
        ),
        (
            {"quantity": Quantity.P50_RATIO, "over": "b", "level": "75rps"},
            "P50, a over b at 75 rps",
        ),
        ({"quantity": Quantity.P50_OUTSIDE_MODEL, "level": "75rps"}, "a, P50 at 75 rps"),
        ({"quantity": Quantity.MEAN_BATCH, "level": "75rps"}, "a at 75 rps"),
        ({"quantity": Quantity.GPU_BUSY}, "a, time busy"),
        ({"quantity": Quantity.SM_ACTIVE}, "a, SM active"),
        (
            {"quantity": Quantity.ENGINE_RATE_RATIO, "over": "b", "batch": 8, "length_tokens": 16},
            "a over b, alone, batch 8, 16 tokens",
        ),
        ({"quantity": Quantity.RATE_LOST, "beside": ["a", "c"]}, "a in a + c"),
    ],
)
def test_a_reading_says_what_was_compared_and_where(changes, said):
    found = ClaimMeasurement.model_validate(
        {"of": "a", "value": 1.0, "low": None, "high": None} | changes
    )
    assert measured(found) == said
