"""What a simulated service says in its log of how late its own replies left."""

import json
from pathlib import Path

_PREFIX = '{"simulated_replies"'


def reply_lateness_p99_ms(log: Path) -> float | None:
    """P99 of the replies of the slice whose counters were read last; None: the log does not say.

    All slices of a resident service share its log. A line is of the replies since the law began,
    which it does with each slice, and is written where the counters are read.
    """
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    noted = [line for line in lines if line.startswith(_PREFIX)]
    return float(json.loads(noted[-1])["late_p99_ms"]) if noted else None
