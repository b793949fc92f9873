"""Which requests the model `classifier` takes; one that is refused costs no other its answer."""

import numpy as np
import pytest
from numpy.typing import NDArray

from servers.triton_service.token_limits import TokenLimits

LIMITS = TokenLimits(vocab_size=100, max_length_tokens=8)
Rows = NDArray[np.int64]


def rows(*values: int, batch: int = 1) -> Rows:
    return np.array([values] * batch, dtype=np.int64)


def ones(length: int, batch: int = 1) -> Rows:
    return np.ones((batch, length), dtype=np.int64)


GOOD = (rows(0, 99, 5), ones(3))


@pytest.mark.parametrize(
    ("ids", "mask", "problem"),
    [
        (ones(0), ones(0), "[batch, 1 to 8 tokens], found [1, 0] and [1, 0]."),
        (ones(9), ones(9), "[batch, 1 to 8 tokens], found [1, 9] and [1, 9]."),
        (ones(3), ones(4), "of one shape, [batch, 1 to 8 tokens], found [1, 3] and [1, 4]."),
        (ones(3, batch=0), ones(3, batch=0), "found [0, 3] and [0, 3]."),
        (rows(1, -1), ones(2), "expected input_ids of 0 to 99, found -1."),
        (rows(1, 100), ones(2), "expected input_ids of 0 to 99, found 100."),
        (rows(-(2**63), 1), ones(2), "expected input_ids of 0 to 99, found -9223372036854775808."),
        (ones(2), rows(1, 2), "expected an attention_mask of 0 and 1, found 2."),
        (ones(2), rows(1, -1), "expected an attention_mask of 0 and 1, found -1."),
    ],
)
def test_a_request_that_is_not_valid_is_told_what_was_expected_and_is_in_no_batch(
    ids: Rows, mask: Rows, problem: str
) -> None:
    batches, problems = LIMITS.batches([GOOD[0], ids, GOOD[0]], [GOOD[1], mask, GOOD[1]])

    assert list(problems) == [1]
    assert problem in problems[1]
    assert [batch.indices for batch in batches] == [[0, 2]]
    assert [len(batch.input_ids) for batch in batches] == [2]


def test_a_mask_of_zeros_is_valid_for_the_warm_up_sends_it() -> None:
    zeros = np.zeros((32, 8), dtype=np.int64)
    batches, problems = LIMITS.batches([zeros], [zeros])
    assert (len(batches), problems) == (1, {})


def test_requests_of_one_length_are_one_batch_in_their_order() -> None:
    ids = [rows(1, 2), rows(3, 4, 5), rows(6, 7, batch=2)]
    batches, _ = LIMITS.batches(ids, [np.ones_like(own) for own in ids])

    assert [(list(batch.indices), batch.input_ids.tolist()) for batch in batches] == [
        ([0, 2], [[1, 2], [6, 7], [6, 7]]),
        ([1], [[3, 4, 5]]),
    ]


def test_a_group_of_bad_requests_alone_leaves_no_batch() -> None:
    batches, problems = LIMITS.batches([rows(-1), rows(100)], [ones(1), ones(1)])
    assert (batches, list(problems)) == ([], [0, 1])
