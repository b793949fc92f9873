"""A trace: the times of recorded arrivals, in a file that somebody else made."""

import math
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from servers.regular_file import read_regular

Times = NDArray[np.float64]

MOST_TRACE_BYTES = 512 * 2**20
_MOST_S = 1e11
"""Three thousand years since 1970: a larger number counts milliseconds."""
_FOREIGN = re.compile(r"[-+]?\d+([.,]\d+)?\s*;")
_TWO_WHOLE = re.compile(r"[-+]?\d+,\d+")


def read_trace(path: Path) -> Times:
    """The timestamps of a trace, the first one at 0 s; ValueError names the line that is wrong."""
    try:
        content = read_regular(path, MOST_TRACE_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"cannot read the trace {path} ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"cannot read the trace {path} ({error})") from error
    times: list[float] = []
    lines = [line.strip() for line in content.splitlines()]
    for number, line in enumerate(lines, start=1):
        first = line.split(",")[0].strip()
        if _FOREIGN.match(line):
            raise ValueError(
                f"expected seconds with a decimal point, and commas between columns, in line "
                f"{number} of {path}, found {line[:40]!r}; write 0.5,1 for 0,5;1"
            )
        if not first or (number == 1 and not _is_seconds(first)):
            continue  # an empty line, or the heading of a CSV file
        least = times[-1] if times else -math.inf
        if not _is_seconds(first) or float(first) < least:
            found = f"expected seconds, ascending, in line {number} of {path}, found {first[:40]!r}"
            raise ValueError(found)
        times.append(float(first))
    if len(times) < 2 or times[0] == times[-1]:
        raise ValueError(f"expected at least two different timestamps in {path}, found fewer")
    _refuse_decimal_commas([line for line in lines if line], path)
    return np.array(times) - times[0]


def _refuse_decimal_commas(lines: list[str], path: Path) -> None:
    """Two columns of whole numbers without a heading may be one of decimal commas."""
    if all(_TWO_WHOLE.fullmatch(line) for line in lines):
        raise ValueError(
            f"expected seconds with a decimal point in {path}, found {lines[0][:40]!r} in line 1 "
            "and no line unlike it; write 0.5 for 0,5, or give two columns a heading"
        )


def _is_seconds(text: str) -> bool:
    try:
        return abs(float(text)) <= _MOST_S
    except ValueError:
        return False
