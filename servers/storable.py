"""Text as files can hold it. JSON escapes can spell half a surrogate pair, which UTF-8 cannot; a
name from the command line may hold one, too. It is kept, as the escape that it was."""

import json
import re
from typing import Any

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def storable(text: str) -> str:
    """text with each lone surrogate written as its six-character escape."""
    return _LONE_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def storable_json(value: Any, indent: int | None = None, sort_keys: bool = False) -> str:
    """value as JSON; reading it gives every text as storable has it."""
    written = json.dumps(value, indent=indent, sort_keys=sort_keys, ensure_ascii=False)
    return _LONE_SURROGATE.sub(lambda found: f"\\\\u{ord(found[0]):04x}", written)
