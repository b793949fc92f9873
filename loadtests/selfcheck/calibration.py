"""What a calibration of the load generator found, and whether it is within its budgets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from loadtests.records.percentiles import percentile_ms
from loadtests.records.steady_state import SteadyState, merged
from loadtests.records.trials import Level

STOCK_NAMES = {"http-json": "FastHttpUser", "kserve-grpc": "tritonclient.grpc"}

WARMUP_S = 0.5
"""Before each steady state."""

MIN_RATIO = {"http-json": 4.0, "kserve-grpc": 2.0}
"""Requests per CPU second of our client over those of the stock one, in one run: the budgets of the
load generator. Per CPU second, because on a machine that other programs use too, the wall clock
charges a client for the time they took."""

MAX_SEND_LAG_P99_MS = 2.0
"""At half the ceiling, on a quiet core."""

QUIET_SEND_LAG_P99_MS = 0.5
"""At the low rate the client is idle most of the time, so that what makes it late there is the
machine: up to this the core counts as quiet."""

BUSY = 0.9
"""Share of its cores' time from which a side counts as what limited the throughput."""

ClientKind = Literal["study", "stock"]


@dataclass(frozen=True)
class Calibrated:
    """One client under one load; figures of the steady state only, latency from the sent time.

    Percentiles of service time need ten successes beyond them, else they are null; send lag is null
    in the closed loop. *_cpu is the share of the side's cores
    that its processes used, rps_per_core the replies in one CPU second of the client, rounds_rps
    the throughput of each round.
    """

    protocol: str
    client: str
    kind: ClientKind
    load: str
    throughput_rps: float
    rps_per_core: float | None
    errors: int
    service_p50_ms: float | None
    service_p99_ms: float | None
    send_lag_p99_ms: float | None
    load_cpu: float | None
    server_cpu: float | None
    limited_by: str
    rounds_rps: tuple[float, ...]


@dataclass(frozen=True)
class Budget:
    """at_least: found must not be below bound; otherwise not above it. met is null where the core
    was not quiet, or not known to be, and the budget is for one that is."""

    name: str
    unit: str
    found: float
    bound: float
    at_least: bool
    met: bool | None


@dataclass(frozen=True)
class Round:
    """What one drive left; cpu_s maps "server" and "load" to CPU seconds of the steady state."""

    steady: SteadyState
    cpu_s: Mapping[str, float | None]


def summarise(
    protocol: str,
    kind: ClientKind,
    level: Level,
    rounds: Sequence[Round],
    cores: Mapping[str, Sequence[int]],
) -> Calibrated:
    """The figures over all rounds together."""
    steady = merged([r.steady for r in rounds])
    cpu = {role: _cpu_share(rounds, role, len(cores[role])) for role in ("server", "load")}
    return Calibrated(
        protocol=protocol,
        client="study" if kind == "study" else STOCK_NAMES[protocol],
        kind=kind,
        load=load_label(level),
        throughput_rps=steady.throughput_rps,
        rps_per_core=_per_core(len(steady.done_s), rounds),
        errors=steady.n_failed,
        service_p50_ms=percentile_ms(steady.service_time_s, 50),
        service_p99_ms=percentile_ms(steady.service_time_s, 99),
        send_lag_p99_ms=steady.send_lag_p99_ms if level.rate_rps is not None else None,
        load_cpu=cpu["load"],
        server_cpu=cpu["server"],
        limited_by=_limit(level, cpu["load"], cpu["server"]),
        rounds_rps=tuple(r.steady.throughput_rps for r in rounds),
    )


def load_label(level: Level) -> str:
    if level.rate_rps is not None:
        return f"open, {level.rate_rps:,.0f} rps"
    return f"closed, {level.concurrency} caller{'s' if level.concurrency != 1 else ''}"


def _per_core(replies: int, rounds: Sequence[Round]) -> float | None:
    used = _cpu_s(rounds, "load")
    return replies / used if used else None


def _cpu_share(rounds: Sequence[Round], role: str, n_cores: int) -> float | None:
    used = _cpu_s(rounds, role)
    return (
        None if used is None else used / (sum(r.steady.window_s for r in rounds) * max(1, n_cores))
    )


def _cpu_s(rounds: Sequence[Round], role: str) -> float | None:
    used = [seconds for r in rounds if (seconds := r.cpu_s[role]) is not None]
    return sum(used) if len(used) == len(rounds) else None


def _limit(level: Level, load_cpu: float | None, server_cpu: float | None) -> str:
    cpu = {"client": load_cpu, "server": server_cpu}
    known = {name: share for name, share in cpu.items() if share is not None}
    busy = [name for name, share in known.items() if share >= BUSY]
    if busy:
        return " and ".join(busy)
    if len(known) < len(cpu):
        return "not known"
    if level.rate_rps is not None:
        return "schedule"
    return "round trip" if level.concurrency == 1 else "other programs, or waiting"


def budgets(rows: Sequence[Calibrated]) -> list[Budget]:
    """The load generator's budgets, judged by the rows of one calibration."""
    judged = []
    for protocol, bound in MIN_RATIO.items():
        ours, stock, _, low, half = [row for row in rows if row.protocol == protocol]
        if ours.rps_per_core and stock.rps_per_core:
            ratio = ours.rps_per_core / stock.rps_per_core
            name = f"{protocol}: requests per CPU second over those of {stock.client}"
            judged.append(Budget(name, "times", ratio, bound, True, ratio >= bound))
        lag_ms, name = half.send_lag_p99_ms, f"{protocol}: P99 send lag at half the ceiling"
        if lag_ms is not None:
            low_ms = low.send_lag_p99_ms
            quiet = low_ms is not None and low_ms <= QUIET_SEND_LAG_P99_MS
            # A lag within the bound is within it, whatever else the core was doing.
            met = lag_ms <= MAX_SEND_LAG_P99_MS or (False if quiet else None)
            judged.append(Budget(name, "ms", lag_ms, MAX_SEND_LAG_P99_MS, False, met))
    return judged
