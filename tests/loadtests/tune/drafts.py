"""What is asked of a search in these tests."""

from typing import Any

from loadtests.records.experiment import Slo
from loadtests.records.tuning import Limits, Tuning
from loadtests.tune.plan import drafted
from servers.discovery import discover

ASKED: dict[str, Any] = {
    "slo": Slo(latency_ms=100),
    "limits": Limits(),
    "low_rps": 20.0,
    "candidates": 2,
    "finalists": 1,
    "seed": 7,
    "model": None,
    "texts": None,
    "command": "study tune triton",
}


def draft(contender: str = "triton", n_cores: int = 1, **changes: Any) -> Tuning:
    return drafted(discover()[contender], n_cores, **(ASKED | changes))
