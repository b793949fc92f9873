"""What `study plan` found, as JSON."""

import json
import math
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel

from analysis.capacity.load_points import Point
from analysis.predict.slices import Checked
from analysis.report.planning import Planned


def as_text(found: Planned | Checked) -> str:
    """Every field by its name; what is not known, or has no end, is null. Of the points of a check,
    what predictions are held against."""
    fields = asdict(found)
    if isinstance(found, Checked):
        fields["points"] = [_measured(point) for point in found.points]
    return json.dumps(_plain(fields), indent=2, ensure_ascii=False)


def _measured(point: Point) -> dict[str, Any]:
    metrics = point.metrics
    assert metrics is not None  # every usable point has them
    return {
        "contender": point.contender,
        "rate_rps": point.rate_rps,
        "saturated": point.saturated,
        "throughput_rps": metrics.throughput_rps,
        "latency_p50_ms": metrics.latency_p50_ms,
        "latency_p99_ms": metrics.latency_p99_ms,
        "p99_low_ms": point.p99_low_ms,
        "p99_high_ms": point.p99_high_ms,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(mode="json"))
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
