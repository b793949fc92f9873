"""What the options of a contender mean for its model repository."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from servers.contract import LENGTH_BUCKETS
from servers.discovery import OptionValue, discover
from servers.launch_args import LaunchArgs
from servers.triton_service.checks import ConfigError
from servers.triton_service.config import RepositorySpec
from servers.triton_service.embedded import repository_spec


@pytest.fixture
def spec(tmp_path: Path) -> Callable[..., RepositorySpec]:
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {"0": "refund"}}))

    def of(contender: str = "triton", **changes: OptionValue) -> RepositorySpec:
        options = {**discover()[contender].options, **changes}
        args = LaunchArgs(
            *(contender, "onnxruntime", "127.0.0.1", 1, {}, tmp_path, tmp_path, 3, options)
        )
        return repository_spec(args, texts=True)

    return of


@pytest.mark.parametrize("contender", ["triton", "hybrid"])
def test_the_defaults_are_every_core_the_contracts_buckets_and_no_preferred_size(
    spec: Callable[..., RepositorySpec], contender: str
) -> None:
    found = spec(contender)
    assert (found.threads, found.length_buckets, found.preferred_batch_sizes) == (
        *(3, LENGTH_BUCKETS),
        (),
    )


def test_threads_of_an_instance_buckets_and_preferred_sizes_are_as_given(
    spec: Callable[..., RepositorySpec],
) -> None:
    found = spec(threads_per_instance=1, length_buckets="128, 32", preferred_batch_sizes="8")
    assert (found.threads, found.length_buckets, found.preferred_batch_sizes) == (
        *(1, (32, 128)),
        (8,),
    )


@pytest.mark.parametrize("text", ["many", "8,-1", "0"])
def test_what_is_no_list_of_sizes_is_refused(
    spec: Callable[..., RepositorySpec], text: str
) -> None:
    with pytest.raises(ConfigError, match="expected preferred_batch_sizes as numbers above 0"):
        spec(preferred_batch_sizes=text)


def test_fewer_threads_than_none_are_refused(spec: Callable[..., RepositorySpec]) -> None:
    with pytest.raises(ConfigError, match="expected threads_per_instance of 0 or more, found -1"):
        spec(threads_per_instance=-1)
