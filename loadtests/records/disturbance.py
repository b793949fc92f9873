"""Whether the machine was disturbed during a trial, told by all but its latencies. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

import pandas as pd

from loadtests.records.running_totals import growth_per_s
from loadtests.records.shares import percent
from loadtests.records.trials import MachineState, TrialRecord

FOREIGN_SHARE = 0.1
"""Of a side's cores. Others had at most 0.034 of a quiet core and at least 0.55 beside one busy
loop (docs/load.md#disturbed-machines)."""

STEAL_SHARE = 0.03
"""Of a side's cores. A core is taken away in pauses, and pauses in more than a hundredth of the
time are what P99 shows; but the counter has steps of 10 ms. On a virtual machine with both of
its cores busy, 99 of 100 windows of 3 s had at most 0.020, and one of 428 had 0.033."""

IDLE_SHARE = 0.05
"""Of the server's cores, all idle contenders together: the least difference of rates that matters.
Six that were quiet had 0.014; one that worked 1 ms in every 11 had 0.080."""

MOST_CORES = 0.5
"""A tenth of many cores is more than one program can use: half a core is the bound there."""

PROBE_RATIO = 1.3
"""Of a probe to the median of the run's probes before. On a quiet core of a virtual machine 200
probes took 10.3 ms in the median, at P95 1.03 and at most 1.14 times that; beside one busy loop on
the core 1.75 times in the median and at P5. The bound lies halfway."""

LEAST_PROBES = 5
"""Before so many, their median may itself be of a disturbed time: no probe is judged by it."""

LEAST_COUNTED = 0.2
"""Share of the time for which a core's counters must account: where a sandbox makes /proc/stat up,
they stand still, and crowded virtual machines lose ticks, though not most of them."""

DISAGREEMENT = 0.1
"""Share of the cores by which programs of the trial may have used more than the cores did at all:
beyond that, the two are counted in different places."""

Shares = Mapping[str, float | None]
"""By side ("server", "load"), a share of its cores' time. None: not known."""

SIDES = ("server", "load")


class Disturbance(StrEnum):
    """What disturbed a trial."""

    OTHER_PROGRAMS = "other_programs"
    OTHER_GUESTS = "other_guests"
    IDLE_CONTENDERS = "idle_contenders"
    SLOW_CORE = "slow_core"


@dataclass(frozen=True)
class Judgement:
    """What was measured of one kind of disturbance, and the most that it may be; complete: nothing
    that belongs to it is unknown."""

    measured: float
    bound: float
    complete: bool = True

    @property
    def exceeded(self) -> bool | None:
        """None: not so far, but a part is not known."""
        return True if self.measured > self.bound else False if self.complete else None


def foreign_shares(
    telemetry: pd.DataFrame,
    cores: Mapping[str, Sequence[int]],
    start_s: float,
    end_s: float,
    idle_share: float | None = None,
) -> dict[str, float | None]:
    """Shares of other programs between two times of the trial's clock. idle_share: what of the
    server's cores went to the study's idle contenders (MachineState.idle_cpu_share).

    What is neither idle nor an interrupt was used: idle time is counted exactly, while the time in
    programs is estimated by ticks, some of which a crowded virtual machine loses. A hypervisor that
    takes time without saying so counts as another program.
    """

    def per_s(column: str) -> float | None:
        return growth_per_s(telemetry, column, start_s, end_s)

    idle = (idle_share or 0.0) * len(cores.get("server", ()))
    used = {
        "server": [per_s("server_cpu_s"), idle],
        "load": [per_s("load_cpu_s"), per_s("study_cpu_s")],
    }
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
    _, idle, irq, steal = known
    share = (n_cores - idle - irq - steal - sum(used)) / n_cores
    if sum(known) < LEAST_COUNTED * n_cores or share < -DISAGREEMENT:
        return None
    return max(0.0, share)


def usual_probe_ms(earlier_probes_ms: Sequence[float]) -> float | None:
    """What a probe is compared with; None: there are too few."""
    return median(earlier_probes_ms) if len(earlier_probes_ms) >= LEAST_PROBES else None


def bound_share(bound: float, n_cores: int) -> float:
    """The bound on a share of so many cores."""
    return min(bound, MOST_CORES / n_cores)


def judgements(
    foreign: Shares, machine: MachineState | None, cores: Mapping[str, Sequence[int]]
) -> dict[Disturbance, Judgement]:
    """Each kind of disturbance of which something is known. No latency is looked at, so that a
    trial is thrown away for what disturbed it and never for what it showed."""
    state = machine or MachineState()
    found = {
        Disturbance.OTHER_PROGRAMS: _worst(foreign, FOREIGN_SHARE, cores, SIDES),
        Disturbance.OTHER_GUESTS: _worst(state.steal_share, STEAL_SHARE, cores, SIDES),
        Disturbance.IDLE_CONTENDERS: _worst(
            {"server": state.idle_cpu_share}, IDLE_SHARE, cores, ("server",)
        ),
        Disturbance.SLOW_CORE: (
            Judgement(state.probe_ms / state.usual_probe_ms, PROBE_RATIO)
            if state.probe_ms and state.usual_probe_ms
            else None
        ),
    }
    return {kind: judgement for kind, judgement in found.items() if judgement}


def _worst(
    shares: Shares, bound: float, cores: Mapping[str, Sequence[int]], sides: Sequence[str]
) -> Judgement | None:
    """Of the side that is nearest to its bound."""
    known = {side: shares[side] for side in sides if shares.get(side) is not None}
    found = [
        Judgement(share, bound_share(bound, len(cores[side])), known.keys() == set(sides))
        for side, share in known.items()
        if share is not None
    ]
    return max(found, key=lambda each: each.measured / each.bound, default=None)


def disturbed(
    foreign: Shares, machine: MachineState | None, cores: Mapping[str, Sequence[int]]
) -> tuple[Disturbance, ...]:
    """What disturbed a trial beyond its bound; empty: nothing that is known."""
    found = judgements(foreign, machine, cores)
    return tuple(kind for kind, judgement in found.items() if judgement.exceeded)


def disturbances(record: TrialRecord) -> tuple[Disturbance, ...]:
    """What disturbed a trial that was saved."""
    return disturbed(record.foreign_share, record.machine, record.cores)


def was_disturbed(record: TrialRecord) -> bool:
    """Whether a trial must not be used for what the machine did."""
    return bool(disturbances(record))


def count_disturbances(records: Iterable[TrialRecord]) -> tuple[list[str], dict[Disturbance, int]]:
    """The disturbed trials of a run, and how many of them by each cause."""
    found = {record.trial_id: kinds for record in records if (kinds := disturbances(record))}
    return list(found), dict(Counter(kind for kinds in found.values() for kind in kinds))


_CAUSES: Mapping[Disturbance, str] = {
    Disturbance.OTHER_PROGRAMS: "other programs",
    Disturbance.OTHER_GUESTS: "other guests of the host",
    Disturbance.IDLE_CONTENDERS: "contenders without load",
    Disturbance.SLOW_CORE: "a slow core",
}


def disturbances_told(
    trial_ids: Sequence[str], n_by_cause: Mapping[Disturbance, int]
) -> str | None:
    """The sentence about what `count_disturbances` found; None: nothing."""
    if not trial_ids:
        return None
    n = len(trial_ids)
    causes = ", ".join(f"{_CAUSES[kind]} ({n})" for kind, n in n_by_cause.items())
    return (
        f"The machine was disturbed in {n} {'trial' if n == 1 else 'trials'}, which "
        f"{'is' if n == 1 else 'are'} not used: {causes}. "
        "Stop other programs, or use a machine that runs nothing else."
    )


def disturbances_in_words(record: TrialRecord) -> str:
    """Such as: other programs (31.0 %, bound 10.0 %), a slow core (1.75 times, bound 1.3 times)."""
    found = judgements(record.foreign_share, record.machine, record.cores)
    return ", ".join(
        f"{_CAUSES[kind]} ({_amount(kind, judgement.measured)}, bound "
        f"{_amount(kind, judgement.bound)})"
        for kind, judgement in found.items()
        if judgement.exceeded
    )


def _amount(kind: Disturbance, value: float) -> str:
    return f"{value:.3g} times" if kind is Disturbance.SLOW_CORE else percent(value, 1)
