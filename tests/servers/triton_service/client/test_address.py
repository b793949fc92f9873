"""Which addresses a router takes."""

import pytest

from servers.triton_service.client.address import Address, address_of
from servers.triton_service.client.errors import UsageError


@pytest.mark.parametrize("url", ["grpc://[::1]:8001", "http://localhost:8000"])
def test_an_address_is_read_and_written_alike(url: str) -> None:
    assert str(address_of(url)) == url


def test_the_place_is_what_tritonclient_takes() -> None:
    assert address_of("http://triton:8000/") == Address("http", "triton:8000")


@pytest.mark.parametrize(
    "url",
    [
        *("localhost:8001", "grpc://localhost", "https://localhost:8000", "http://:8000"),
        *("http://localhost:8000/v2", "grpc://localhost:port", ""),
    ],
)
def test_another_address_is_refused_with_what_one_looks_like(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        address_of(url)
    assert str(refused.value) == (
        f"expected grpc://HOST:PORT or http://HOST:PORT, found {url!r}: correct it."
    )
