"""Progress on stderr: a bar with the time left in a terminal, a few plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track

_LINE_EVERY_S = 10.0

Item = TypeVar("Item")


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def tracked(items: Sequence[Item], what: str) -> Iterator[Item]:
    """Yields the items while showing how far they are and how long the rest will take."""
    if sys.stderr.isatty():
        yield from track(items, description=what, console=Console(stderr=True))
        return
    say(f"{what} ...")
    started = reported = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - reported >= _LINE_EVERY_S and done < len(items):
            reported = now
            left_s = (now - started) * (len(items) - done) / done
            say(f"{what}: {done} of {len(items)}, about {left_s:.0f} s left")
    say(f"{what}: done in {time.monotonic() - started:.0f} s")
