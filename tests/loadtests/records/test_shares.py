import re
from pathlib import Path

import pytest

from loadtests.records.experiment import Slo
from loadtests.records.shares import percent


@pytest.mark.parametrize(
    ("share", "digits", "shown"), [(0.02, 1, "2.0 %"), (0.954, 0, "95 %"), (0.001, 2, "0.10 %")]
)
def test_a_share_has_a_space_before_its_sign(share: float, digits: int, shown: str) -> None:
    assert percent(share, digits) == shown


def test_an_slo_says_its_errors_so() -> None:
    assert "at most 0.10 % of requests failed" in str(Slo(latency_ms=50))


@pytest.mark.parametrize("room", ["loadtests", "analysis/colocation"])
def test_no_page_of_the_load_or_of_colocation_formats_a_share_otherwise(
    root: Path, room: str
) -> None:
    # Two self-checks print columns, to be read as they are.
    others = {
        path.name
        for path in (root / room).rglob("*.py")
        if re.search(r":[.,\d]*%}", path.read_text(encoding="utf-8"))
    }
    assert others <= {"short_slices.py", "replayed_device.py"}
