"""The ports at which a person finds a contender."""

import pytest

from loadtests.serve import ServeError, default_ports
from servers.discovery import discover


def test_contenders_served_at_the_same_time_have_ports_of_their_own() -> None:
    ports = [default_ports(each, None) for each in discover().values()]
    numbers = [number for each in ports for number in (each.main, *each.extra.values())]
    assert len(numbers) > len(ports)
    assert len(set(numbers)) == len(numbers)


def test_a_contender_gets_tritons_customary_ports() -> None:
    ports = default_ports(discover()["triton"], None)
    assert (ports.extra["http"], ports.main, ports.extra["metrics"]) == (8000, 8001, 8002)


@pytest.mark.parametrize(
    ("name", "port", "found"),
    [
        ("fastapi", 99_999, 99_999),
        ("fastapi", 0, 0),
        ("fastapi", -1, -1),
        ("triton", 65_535, 65_536),  # its metrics port is the next one
        ("triton", 1, 0),  # its HTTP port is the one before
        ("hybrid", 65_535, 65_536),
    ],
)
def test_a_port_that_is_none_is_refused_in_one_sentence(name: str, port: int, found: int) -> None:
    with pytest.raises(
        ServeError, match=f"for {name}, found {found}: give another --port"
    ) as caught:
        default_ports(discover()[name], port)
    assert "\n" not in str(caught.value)


def test_the_highest_port_is_one() -> None:
    assert default_ports(discover()["fastapi"], 65_535).main == 65_535
