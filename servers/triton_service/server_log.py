"""Names the cause when tritonserver ends, from the error lines of its log."""

import re
from collections.abc import Sequence

_MESSAGE = re.compile(r'^(?:E\d+ .*?\] "?|error: )(?P<message>.*?)"?\s*$', re.DOTALL)
_PYTHON_TRACE = r"\n\nAt:"  # as Triton writes it: a backslash and the letter n, not line ends


_REFUSAL = re.compile(r"\bEngineUnavailableError: (?P<sentence>.+)", re.DOTALL)


def is_error(line: str) -> bool:
    return bool(_MESSAGE.match(line))


def cause_of_end(error_lines: Sequence[str]) -> str:
    """The first model that failed to load explains those after it; else the last error counts."""
    messages = [match["message"] for line in error_lines if (match := _MESSAGE.match(line))]
    causes = [message for message in messages if message.startswith("failed to load '")]
    if not messages:
        return "its log has no error"
    return (causes[0] if causes else messages[-1]).split(_PYTHON_TRACE)[0].strip()


def engine_refusal(cause: str) -> str | None:
    """The sentence of an engine that is unavailable, where that is the cause of an end."""
    found = _REFUSAL.search(cause)
    return found["sentence"].replace('\\"', '"') if found else None
