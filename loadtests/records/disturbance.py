"""How much of the cores of a trial went to anybody else, and whether that was too much. Pure."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from loadtests.records.running_totals import growth_per_s
from loadtests.records.trials import TrialRecord

FOREIGN_SHARE = 0.1
"""Of a side's cores. Others had at most 0.034 of a quiet core and at least 0.55 beside one busy
loop (docs/load.md#disturbed-machines)."""

FOREIGN_CORES = 0.5
"""A tenth of many cores is more than one program can use: half a core is the bound there."""

LEAST_COUNTED = 0.2
"""Share of the time for which a core's counters must account: where a sandbox makes /proc/stat up,
they stand still, and crowded virtual machines lose ticks, though not most of them."""

DISAGREEMENT = 0.1
"""Share of the cores by which programs of the trial may have used more than the cores did at all:
beyond that, the two are counted in different places."""

Shares = Mapping[str, float | None]
"""By side ("server", "load"): the share of its cores' time that went neither to the trial's own
programs nor to interrupts, nor was idle. None: not known."""

SIDES = ("server", "load")

MOST_NAMED = 5


def foreign_shares(
    telemetry: pd.DataFrame, cores: Mapping[str, Sequence[int]], start_s: float, end_s: float
) -> dict[str, float | None]:
    """Between two times of the trial's clock: other programs, and other guests of the hypervisor.

    What is neither idle nor an interrupt was used: idle time is counted exactly, while the time in
    programs is estimated by ticks, some of which a crowded virtual machine loses.
    """

    def per_s(column: str) -> float | None:
        return growth_per_s(telemetry, column, start_s, end_s)

    used = {"server": [per_s("server_cpu_s")], "load": [per_s("load_cpu_s"), per_s("study_cpu_s")]}
    found = {}
    for side in SIDES:
        mine = set(cores.get(side, ()))
        own = [x for of, given in cores.items() if mine & set(given) for x in used.get(of, [])]
        counted = [per_s(f"{side}_cores_{what}_s") for what in ("busy", "idle", "irq", "steal")]
        found[side] = _foreign_share(len(mine), own, counted)
    return found


def _foreign_share(
    n_cores: int, own: Sequence[float | None], counted: Sequence[float | None]
) -> float | None:
    used = [value for value in own if value is not None]
    known = [value for value in counted if value is not None]
    if not n_cores or len(used) < len(own) or len(known) < len(counted):
        return None
    _, idle, irq, _ = known
    share = (n_cores - idle - irq - sum(used)) / n_cores
    if sum(known) < LEAST_COUNTED * n_cores or share < -DISAGREEMENT:
        return None
    return max(0.0, share)


def bound_share(n_cores: int) -> float:
    """The share of so many cores above which a trial was disturbed."""
    return min(FOREIGN_SHARE, FOREIGN_CORES / n_cores)


def disturbed(shares: Shares, cores: Mapping[str, Sequence[int]]) -> bool | None:
    """Whether more than the bound went to others on either side; None: it cannot be told."""
    known = {side: share for side, share in shares.items() if share is not None}
    if any(share > bound_share(len(cores[side])) for side, share in known.items()):
        return True
    return False if known.keys() >= set(SIDES) else None


def was_disturbed(record: TrialRecord) -> bool | None:
    """Of the attempt that was kept; None: it cannot be told, as in runs of before this was read."""
    return disturbed(record.foreign_share, record.cores) if record.foreign_share else None


def foreign_in_words(shares: Shares) -> str:
    """Such as: 31.0 % of the server's cores and 0.4 % of the load generator's."""
    server, load = (
        "an unknown share" if share is None else f"{100 * share:.1f} %"
        for share in (shares.get(side) for side in SIDES)
    )
    return f"{server} of the server's cores and {load} of the load generator's"


def disturbances(records: Iterable[TrialRecord]) -> tuple[list[str], int]:
    """The trials that stayed disturbed, and how many others were repeated until undisturbed."""
    disturbed_ids, n_repeated = [], 0
    for record in records:
        if was_disturbed(record):
            disturbed_ids.append(record.trial_id)
    return disturbed_ids, n_repeated


def disturbances_in_words(records: Iterable[TrialRecord]) -> str | None:
    """What a person must know of a run's disturbed trials; None: there was none."""
    return disturbances_told(*disturbances(records))


def disturbances_told(disturbed_ids: Sequence[str], n_repeated: int) -> str | None:
    """The sentence about what `disturbances` found; None: nothing."""
    if not disturbed_ids and not n_repeated:
        return None
    said = []
    if n_repeated:
        were = "trials were" if n_repeated > 1 else "trial was"
        said.append(f"{n_repeated} {were} repeated until undisturbed")
    if disturbed_ids:
        are = "are" if len(disturbed_ids) > 1 else "is"
        said.append(
            f"{len(disturbed_ids)} stayed disturbed and {are} not used ({_some(disturbed_ids)})"
        )
    return (
        f"Other programs used the cores of the server or of the load generator: "
        f"{', '.join(said)}. Stop other programs, or use a machine that runs nothing else."
    )


def _some(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def why_repeated(record: TrialRecord) -> str:
    """Why a trial took more than one attempt, for the one line that a run shows of it."""
    n_disturbed = n_late = 0
    causes = (("machine was disturbed", n_disturbed), ("client was late", n_late))
    return " or ".join(cause for cause, n in causes if n > 0)
