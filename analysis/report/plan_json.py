"""What `study plan` found, as JSON."""

import json
import math
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel

from analysis.predict.slices import Checked
from analysis.report.planning import Planned


def as_text(found: Planned | Checked) -> str:
    """Every field by its name; what is not known, or has no end, is null."""
    return json.dumps(_plain(asdict(found)), indent=2, ensure_ascii=False)


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
