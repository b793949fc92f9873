"""How fast a core is at the moment: the time that a fixed piece of work takes on it."""

import hashlib
import time
from collections.abc import Sequence

from loadtests.host.cores import running_on

_BLOCK = bytes(16 * 1024)  # stays in the core's own cache: memory and neighbours play no part
_N_BLOCKS = 1_100


def probe_ms(cores: Sequence[int]) -> float | None:
    """Wall time of about 10 ms of hashing on the first of these cores; None: there is none.

    Wall time, because a core that is shared or taken away counts as slow. SHA-256 was the steadiest
    where nothing else ran: 200 probes on a virtual machine (EPYC, two cores) took 10.3 ms in the
    median, 10.6 ms at P95 and at most 11.7 ms. In runs right after it, P95 of as much SHA-512 was
    1.48 times its median, that of BLAKE2b 1.26 times. Where the processor has no instructions for
    SHA-256, a probe takes longer. On other systems than Linux the thread is not pinned.
    """
    if not cores:
        return None
    with running_on(cores[:1]):
        begun_s = time.perf_counter()
        work = hashlib.sha256()
        for _ in range(_N_BLOCKS):
            work.update(_BLOCK)
        return (time.perf_counter() - begun_s) * 1000
