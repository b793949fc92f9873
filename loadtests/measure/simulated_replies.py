"""What a simulated service says in its log of how late its own replies left."""

import json
from pathlib import Path

_PREFIX = '{"simulated_replies"'


def reply_lateness_p99_ms(log: Path) -> float | None:
    """P99 of the replies of the last trial in the log; None: it does not say."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    noted = [line for line in lines if line.startswith(_PREFIX)]
    return float(json.loads(noted[-1])["late_p99_ms"]) if noted else None
