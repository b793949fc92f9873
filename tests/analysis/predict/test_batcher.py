"""Batches as Triton's dynamic batcher forms them."""

import numpy as np
import pytest

from analysis.predict.batch_cost import BY_LENGTH, ONE_LENGTH
from analysis.predict.batcher import enqueue, form_batches, new_batcher, take_batch
from analysis.predict.path import batch_rule
from analysis.predict.values import Front


class Batcher:
    """A batcher asked by hand; lengths: the class of each request in turn."""

    def __init__(self, lengths=(0,) * 100, lengths_rule=BY_LENGTH, **settings):
        front = Front("any", 0.0, **{"max_batch_size": 8, **settings})
        self.rule = batch_rule(front, lengths_rule)
        self.state = new_batcher(len(lengths))
        self.lengths = np.array(lengths, dtype=np.int64)
        self.came = 0

    def come(self, *times_s):
        """Requests that come one by one; when the batcher looks again."""
        again = np.inf
        for t in times_s:
            enqueue(self.state, self.came, t)
            self.came += 1
            again = form_batches(self.rule, self.state, self.lengths, t)
        return again

    def look(self, t):
        return form_batches(self.rule, self.state, self.lengths, t)

    def take(self, t=0.0):
        size = take_batch(self.state)
        self.look(t)
        return size


def test_without_a_delay_a_batch_is_what_waits_when_an_instance_takes_it():
    batcher = Batcher()
    batcher.come(0.0)
    assert batcher.take() == 1
    batcher.come(0.1, 0.2, 0.3)
    assert batcher.take() == 3
    assert batcher.take() == 0


def test_a_batch_is_never_larger_than_allowed():
    batcher = Batcher()
    batcher.come(*np.linspace(0, 1, 20))
    assert [batcher.take(1.0) for _ in range(4)] == [8, 8, 4, 0]


def test_a_lone_request_waits_out_the_delay():
    batcher = Batcher(queue_delay_s=0.005)
    assert batcher.come(1.0) == pytest.approx(1.005)
    assert batcher.take(1.0) == 0
    batcher.look(1.005)
    assert batcher.take(1.005) == 1


def test_a_full_batch_does_not_wait_out_the_delay():
    batcher = Batcher(queue_delay_s=0.005)
    batcher.come(*[1.0] * 8)
    assert batcher.take(1.0) == 8


def test_the_delay_is_that_of_the_oldest():
    batcher = Batcher(queue_delay_s=0.005)
    assert batcher.come(1.0, 1.004) == pytest.approx(1.005)
    batcher.look(1.005)
    assert batcher.take(1.005) == 2


def test_a_batch_that_waits_for_an_instance_still_grows():
    batcher = Batcher(queue_delay_s=0.005)
    batcher.come(1.0)
    batcher.look(1.005)
    batcher.come(1.006, 1.007)
    assert batcher.take(1.007) == 3


def test_a_preferred_size_closes_a_batch_when_there_is_no_delay():
    # Observed of Triton 2.51: sizes 4, 8, 16, 32 at 16 callers halve the mean batch.
    batcher = Batcher(max_batch_size=32, preferred_sizes=(4, 8, 16, 32))
    batcher.come(*np.linspace(0, 1, 8))
    assert batcher.take(1.0) == 4
    assert batcher.take(1.0) == 4


def test_while_two_batches_wait_for_an_instance_neither_grows():
    batcher = Batcher(max_batch_size=32, preferred_sizes=(4, 8, 16, 32))
    batcher.come(*np.linspace(0, 1, 24))
    # The second one holds one request until the first is taken, then the largest size in reach.
    assert [batcher.take(1.0) for _ in range(3)] == [4, 16, 4]


def test_sizes_between_the_preferred_ones_go_when_the_delay_is_over():
    batcher = Batcher(max_batch_size=8, preferred_sizes=(4,), queue_delay_s=0.01)
    batcher.come(0.0, 0.001, 0.002)
    assert batcher.take(0.002) == 0
    batcher.look(0.01)
    assert batcher.take(0.01) == 3


def test_where_shapes_must_be_equal_a_batch_ends_at_another_length():
    batcher = Batcher(lengths=(0, 0, 1, 1, 1, 0), lengths_rule=ONE_LENGTH)
    batcher.come(*np.linspace(0, 1, 6))
    assert [batcher.take(1.0) for _ in range(4)] == [2, 3, 1, 0]


def test_where_lengths_may_mix_a_batch_takes_all_of_them():
    batcher = Batcher(lengths=(0, 0, 1, 1, 1, 0))
    batcher.come(*np.linspace(0, 1, 6))
    assert batcher.take(1.0) == 6
