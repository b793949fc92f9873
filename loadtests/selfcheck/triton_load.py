"""Callers in a closed loop, from threads of this process, and what they saw."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from loadtests.records.percentiles import percentile_ms
from loadtests.records.questions import Case
from loadtests.selfcheck.triton_bench import ANSWERED


@dataclass(frozen=True)
class Asked:
    """One request: what was said, how long it took, and which caller asked."""

    caller: int
    said: str
    took_s: float


def closed_loop(ask: Callable[[int], str], n_callers: int, lasting_s: float) -> list[Asked]:
    """Each caller asks, waits for the answer and asks again; ask is told the caller's number.
    Requests still under way at the end are waited for and left out."""
    until_s = time.monotonic() + lasting_s

    def caller(number: int) -> list[Asked]:
        seen = []
        while (began_s := time.monotonic()) < until_s:
            said = ask(number)
            seen.append(Asked(number, said, time.monotonic() - began_s))
        return seen[:-1]

    with ThreadPoolExecutor(n_callers) as pool:
        return [each for seen in pool.map(caller, range(n_callers)) for each in seen]


def case(name: str, asked: Sequence[Asked], lasting_s: float, rows: int = 1) -> Case:
    """Rate and percentiles of the answers, and what was said."""
    took_s = np.array([each.took_s for each in asked if each.said == ANSWERED])
    return Case(
        case=name,
        values={
            "rows_per_s": len(took_s) * rows / lasting_s,
            "p50_ms": percentile_ms(took_s, 50),
            "p99_ms": percentile_ms(took_s, 99),
        },
        said=dict(Counter(each.said for each in asked).most_common()),
    )
