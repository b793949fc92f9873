"""The search for capacity: which rate to probe next, from the answers so far. Pure."""

from collections.abc import Container, Mapping, Sequence

from loadtests.plan.grid import Grid as Grid
from loadtests.plan.grid import grid_of as grid_of

Probes = Mapping[int, bool | None]
"""By grid index: whether the SLO was met at that rate. None: the trial could not tell (its client
was late, or the machine disturbed), and the rate is not probed again."""

Doubted = Container[int]
"""Grid indexes at which the SLO was missed in a single window, which may be the machine's doing."""


def found_index(probes: Probes) -> int | None:
    """The capacity: the highest rate that met the SLO below the lowest one that did not.

    A rate that was met above one that was not is noise, and not counted in a server's favour.
    """
    ceiling = _lowest_not_met(probes)
    return max(
        (k for k, met in probes.items() if met and (ceiling is None or k < ceiling)), default=None
    )


def next_index(
    probes: Probes, grid: Grid, within: int = 1, doubted: Doubted = frozenset()
) -> int | None:
    """The rate to probe next, or None where the capacity is known to `within` grid steps.

    A miss in doubt is probed again where it would end the search, and at once where a higher rate
    was met: the two contradict each other.
    """
    ceiling = _lowest_not_met(probes)
    index = _next_new(probes, grid, within)
    if ceiling is None or ceiling not in doubted:
        return index
    contradicted = any(met and k > ceiling for k, met in probes.items())
    return ceiling if index is None or contradicted else index


def _next_new(probes: Probes, grid: Grid, within: int) -> int | None:
    """Doubles from the start while the SLO is met, halves while it is not, then bisects.

    Each rate lies strictly between the highest one met and the lowest one not met, so that noisy
    answers end.
    """
    floor, ceiling, step = found_index(probes), _lowest_not_met(probes), grid.doubling
    if floor is not None and ceiling is not None:
        if ceiling - floor <= within:
            return None
        low, high, wanted = floor + 1, ceiling - 1, (floor + ceiling) / 2
    elif floor is not None:
        low, high = floor + 1, min(grid.highest, floor + step)
        wanted = high
    elif ceiling is not None:
        low, high = max(grid.lowest, ceiling - step), ceiling - 1
        wanted = low
    else:
        low, high, wanted = max(grid.lowest, -step), min(grid.highest, step), 0
    open_indexes = [k for k in range(low, high + 1) if k not in probes]
    return min(open_indexes, key=lambda k: (abs(k - wanted), k), default=None)


def next_for_any(
    by_slo: Sequence[tuple[Probes, Doubted]], grid: Grid, within: int = 1
) -> int | None:
    """The next rate for the first SLO whose search is not done: each starts from the probes made
    for those before it, judged again, and adds only what is missing."""
    for probes, doubted in by_slo:
        index = next_index(probes, grid, within, doubted)
        if index is not None:
            return index
    return None


def _lowest_not_met(probes: Probes) -> int | None:
    return min((k for k, met in probes.items() if met is False), default=None)
