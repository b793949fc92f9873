import numpy as np

from servers.classifier import Encoded
from servers.classifier.batching import batches_by_bucket


def row(*ids: int) -> Encoded:
    input_ids = np.array([ids], dtype=np.int64)
    return Encoded(input_ids, np.ones_like(input_ids), np.array([len(ids)], dtype=np.int64))


def test_rows_of_one_bucket_share_a_forward_pass() -> None:
    (batch,) = batches_by_bucket([row(7, 8), row(9)], buckets=(4, 8))
    assert batch.positions == (0, 1)
    assert batch.encoded.input_ids.tolist() == [[7, 8, 0, 0], [9, 0, 0, 0]]
    assert batch.encoded.attention_mask.tolist() == [[1, 1, 0, 0], [1, 0, 0, 0]]
    assert batch.encoded.lengths.tolist() == [2, 1]


def test_a_short_row_is_not_padded_to_a_long_neighbour() -> None:
    batches = batches_by_bucket([row(1), row(1, 2, 3, 4, 5), row(2)], buckets=(4, 8))
    shapes = {batch.positions: batch.encoded.input_ids.shape for batch in batches}
    assert shapes == {(0, 2): (2, 4), (1,): (1, 8)}
