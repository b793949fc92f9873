"""How long a queue remembers, from the waits within slices."""

import numpy as np
import pytest

from loadtests.records.slo import BLOCKS, Block, memory


def blocks_of(*slices_ms) -> list[Block]:
    return [
        Block(len(part), float(part.sum()), float((part**2).sum()))
        for waits_ms in slices_ms
        for part in np.array_split(np.asarray(waits_ms, dtype=float), BLOCKS)
    ]


def test_independent_waits_are_remembered_for_about_one():
    rng = np.random.default_rng(1)
    assert memory(blocks_of(*rng.exponential(5, (20, 800)))) == pytest.approx(1, abs=0.4)


def test_waits_that_come_in_clusters_are_remembered_for_as_long():
    rng = np.random.default_rng(1)
    clusters = [np.repeat(rng.exponential(5, 80), 10) for _ in range(20)]
    assert memory(blocks_of(*clusters)) == pytest.approx(10, rel=0.4)


def test_slices_that_differ_from_each_other_are_no_memory():
    rng = np.random.default_rng(1)
    slices = [speed * rng.exponential(5, 800) for speed in (1, 2, 4, 8)]
    assert memory(blocks_of(*slices)) < 2


@pytest.mark.parametrize("blocks", [[Block(0, 0.0, 0.0)] * BLOCKS, blocks_of([3.0] * 80)])
def test_no_waits_and_equal_ones_are_remembered_for_one(blocks):
    assert memory(blocks) == 1
