"""Asks a contender that has just started until its first, slow answers are over."""

import time
from collections.abc import Sequence
from itertools import cycle

from loadtests.wire.address import Address
from loadtests.wire.probe import ProbeError, open_probe

WITHIN_S = 5.0
TURNS = 2
PAUSE_AFTER_FAILURE_S = 0.1


def warm_up(address: Address, texts: Sequence[str]) -> None:
    """Asks the texts in turn, one by one, until TURNS of them are answered without a failure, or
    no time is left.

    Failures are tolerated: what a bound on the wait refuses while engines run their first passes
    says nothing about the answers.
    """
    deadline_s = time.monotonic() + WITHIN_S
    n_answered = 0
    for text in cycle(texts):
        if n_answered == TURNS * len(texts) or time.monotonic() >= deadline_s:
            return
        try:
            with open_probe(address) as probe:
                probe.predict(text)
            n_answered += 1
        except ProbeError:
            n_answered = 0
            time.sleep(PAUSE_AFTER_FAILURE_S)
