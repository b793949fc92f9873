"""How cores are shared out between server and load generator."""

import pytest

from loadtests.host.cores import disjoint, split_cores


@pytest.mark.parametrize(
    ("n_cores", "workers", "n_server", "n_load"),
    [(16, 4, 11, 5), (16, 1, 15, 1), (8, 4, 4, 4), (4, 2, 2, 2), (3, 2, 2, 1), (2, 1, 1, 1)],
)
def test_each_worker_has_a_core_and_several_have_one_for_their_master_up_to_half(
    n_cores: int, workers: int, n_server: int, n_load: int
) -> None:
    cores = split_cores(range(n_cores), workers)
    assert (len(cores["server"]), len(cores["load"])) == (n_server, n_load)
    assert disjoint(cores)
    assert {*cores["server"], *cores["load"]} == set(range(n_cores))


def test_a_single_core_is_shared() -> None:
    assert not disjoint(split_cores((3,), 1))
