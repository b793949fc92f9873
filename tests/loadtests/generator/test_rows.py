"""Rows of several workers become one table."""

import io

import numpy as np
import pandas as pd
import pytest

from loadtests.generator.rows import Row, merged, packed


def test_rows_of_all_workers_are_one_table_by_schedule() -> None:
    even = [Row(0, 3, 0.0, 0.1, 0.2, "ok", "greeting", 0.5), Row(2, 4, 0.9)]
    odd = [Row(1, 5, 0.5, 0.5, 0.7, "http_503")]
    rows = merged([packed(even), packed(odd)], warmup_s=0.5)
    assert rows["request_index"].tolist() == [0, 1, 2]
    assert rows["worker"].tolist() == [0, 1, 0]
    assert rows["status"].tolist() == ["ok", "http_503", "not_sent"]
    assert rows["phase"].tolist() == ["warm-up", "steady", "steady"]
    assert rows["label"].tolist()[0] == "greeting"
    assert rows["label"].isna().tolist() == [False, True, True]
    assert np.isnan(rows["sent_s"].to_numpy()[2])


def test_a_worker_without_a_request_adds_nothing_and_changes_no_type() -> None:
    one = [Row(0, 3, 0.0, 0.1, 0.2, "ok", "greeting", 0.5)]
    alone, beside = merged([packed(one)], 0.5), merged([packed(one), packed([])], 0.5)
    pd.testing.assert_frame_equal(alone, beside)
    assert len(merged([packed([])], 0.5)) == 0


def test_nothing_that_could_run_code_is_read() -> None:
    content = io.BytesIO()
    np.savez(content, **{name: np.array([{}]) for name in Row.__annotations__})
    with pytest.raises(ValueError, match="allow_pickle"):
        merged([content.getvalue()], 0.5)
