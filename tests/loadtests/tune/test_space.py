"""What may be searched of a contender: only what it declares, and only what can make sense."""

import pytest

from loadtests.records.experiment import Slo
from loadtests.tune.space import Space, TuneError, key, space_of
from servers.discovery import discover

KNOWN, SLO = discover(), Slo(latency_ms=100)


def space(name: str = "triton", slo: Slo = SLO, n_cores: int = 1) -> Space:
    return space_of(KNOWN[name], slo, n_cores)


def test_only_options_that_the_contender_declares_are_searched() -> None:
    assert set(space("hybrid").values) == {"max_batch_size", "instances", "max_queue_delay_us"}
    assert set(space("triton", n_cores=4).values) == {
        *("max_batch_size", "instances", "max_queue_delay_us"),
        *("length_buckets", "preferred_batch_sizes", "threads_per_instance"),
    }


def test_on_one_core_there_is_nothing_to_divide_among_threads() -> None:
    assert "threads_per_instance" not in space(n_cores=1).values
    assert space(n_cores=1).values["instances"] == (1, 2)
    assert space(n_cores=4).values["threads_per_instance"] == (0, 1, 2)


def test_a_queue_delay_takes_at_most_a_quarter_of_the_bound() -> None:
    assert space(slo=Slo(latency_ms=10)).values["max_queue_delay_us"] == (0, 500, 1000, 2000)


def test_the_contenders_own_value_is_among_them_in_its_place() -> None:
    own = KNOWN["triton"].variant("own", {"max_batch_size": 24, "length_buckets": "32,128"})
    found = space_of(own, SLO, 1)
    assert found.values["max_batch_size"] == (4, 8, 16, 24, 32, 64)
    assert found.values["length_buckets"][0] == "32,128"
    assert found.default["max_batch_size"] == 24


def test_the_first_configurations_change_one_option_each() -> None:
    found = space()
    changes = [
        {name: value for name, value in each.items() if value != found.default[name]}
        for each in found.one_change()
    ]
    assert changes == [
        {"max_batch_size": 8},
        {"instances": 2},
        {"max_queue_delay_us": 1000},
        {"length_buckets": "64,128"},
        {"preferred_batch_sizes": "4,8"},
    ]


@pytest.mark.parametrize(
    ("changes", "possible"),
    [
        ({"max_batch_size": 4, "preferred_batch_sizes": "4"}, True),
        ({"max_batch_size": 4, "preferred_batch_sizes": "4,8"}, False),
        ({"instances": 4, "threads_per_instance": 2}, True),
        ({"instances": 4, "threads_per_instance": 0}, False),  # all four cores each
    ],
)
def test_sizes_above_the_largest_batch_and_threads_beyond_turns_are_left_out(
    changes: dict[str, int | str], possible: bool
) -> None:
    found = space(n_cores=4)
    settings = {**found.default, **changes}
    assert found.possible(settings) is possible
    assert (key(settings) in {key(each) for each in found.all()}) is possible


@pytest.mark.parametrize(
    ("name", "why"),
    [("fastapi", "has no Triton inside"), ("triton-unbatched", "has no batcher")],
)
def test_a_contender_without_triton_or_its_batcher_is_refused(name: str, why: str) -> None:
    with pytest.raises(TuneError, match=f"found '{name}', which {why}: choose one of hybrid, trit"):
        space(name)


def test_a_gateway_before_a_triton_that_runs_elsewhere_is_refused() -> None:
    elsewhere = KNOWN["hybrid"].variant("elsewhere", {"triton_url": "127.0.0.1:8001"})
    with pytest.raises(TuneError, match="found 'elsewhere', which runs elsewhere"):
        space_of(elsewhere, SLO, 1)
