"""The one place that names numba."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])
T = TypeVar("T")
R = TypeVar("R")


def compiled(function: F) -> F:
    """The function, compiled for the types it is called with; kept on disk for the next process.

    A queue is one long chain of "the next event depends on the last", which numpy cannot take at
    once. As plain Python a million requests take minutes; compiled, seconds.
    """
    # numba keeps what it compiled until the file of the function itself changes, and would not
    # notice a change in one that it calls.
    folder = Path(__file__).parent / "__pycache__" / _sources_digest()
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]  # made as it is imported
    return cast(F, numba.njit(cache=True, nogil=True)(function))


def at_once(function: Callable[[T], R], values: Iterable[T]) -> list[R]:
    """What the function makes of each value, in order; on as many cores as there are while it runs
    what is compiled."""
    with ThreadPoolExecutor() as threads:
        return list(threads.map(function, values))


@cache
def _sources_digest() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
