"""What keeps a contender from answering more: the client, the front, the model, or the load."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pydantic import Field

from analysis.capacity.engine_efficiency import fell_at, highest_loads, saturated_at
from analysis.capacity.load_points import Point
from analysis.read.value import Value
from analysis.report.wording import number, percent
from analysis.validity.trials import Ceiling
from loadtests.records.trials import CEILING_SHARE, SEND_LAG_SHARE

FULL = 0.9
"""Share at which cores, a core or an engine count as full: with a tenth left the wait in front of
one server is ten times the time of service (M/M/1: 1 / (1 - load)), and neither the samples of CPU
time nor the engine's curve are known much better than to a tenth."""

SM_FULL = 0.8
"""SM active from which a GPU counts as full: NVIDIA's DCGM guide names 0.8 as necessary for
effective use of a GPU. Time busy decides nothing: one small kernel after another makes 100 %."""

ONE_CORE = 1.2
"""Cores in use up to which a front counts as one Python interpreter, which runs one thread at a
time: a full core plus what its libraries do outside the interpreter."""


MOST = 0.5
"""Where front and network take turns on one core, the one that takes most of the time is named."""


class Bottleneck(StrEnum):
    CLIENT = "client"
    MODEL = "model"
    FRONT = "front"
    SERVER_CORES = "server cores"
    SCHEDULE = "schedule"
    UNKNOWN = "unknown"


MEANINGS: Mapping[Bottleneck, str] = {
    Bottleneck.CLIENT: f"The load generator: more than {CEILING_SHARE:.0%} of its calibrated "
    "ceiling was asked of it, or it sent later than the validity rule allows. The server may do "
    "more.",
    Bottleneck.MODEL: f"The network itself: the contender answers at least {FULL:.0%} of what its "
    f"engine does alone at the same batch and length, SM active is {SM_FULL:.0%} or more, or the "
    "network takes most of the time of the one core that it shares with the front. A quicker "
    "engine, a larger batch or another device would help; another server would not.",
    Bottleneck.FRONT: "What stands before the network (HTTP, JSON, tokenising, gateway): the "
    f"device has room, while the server's cores are used to {FULL:.0%} or more, or its front to "
    f"{FULL:.0%} of the one core that a Python interpreter can use.",
    Bottleneck.SERVER_CORES: f"The server's cores are used to {FULL:.0%} or more, and the network "
    "runs on the same cores as the front: CPU time alone does not tell the two apart.",
    Bottleneck.SCHEDULE: "Nothing was full, and what was asked was answered: the load asked for no "
    "more.",
    Bottleneck.UNKNOWN: "It was saturated, there or at a higher load, and nothing that was "
    "measured there is full: a lock, a queue setting, copies, cores that something else took, or "
    "what was not measured.",
}


@dataclass(frozen=True)
class LoadFacts:
    """One contender at one load. offered_rps None: a closed loop; other None: not measured.
    saturated: there, or at a higher load; server_cpu and sm_active are shares; server_cores_used
    and gateway_cores_used CPU seconds a second."""

    offered_rps: float | None
    throughput_rps: float
    saturated: bool = False
    ceiling_rps: float | None = None
    send_lag_p99_ms: float | None = None
    send_lag_bound_ms: float | None = None
    on_gpu: bool = False
    server_cpu: float | None = None
    server_cores_used: float | None = None
    gateway_cores_used: float | None = None
    engine_share: float | None = None
    sm_active: float | None = None
    gpu_busy: float | None = None


class BottleneckFound(Value):
    """What is the limit of a contender at its highest load."""

    contender: str = Field(description="Name of the contender.")
    level: str = Field(description="The load level at which it answered the most.")
    bottleneck: Bottleneck = Field(
        description="client, model, front, server cores, schedule (the load asked for no more) or "
        "unknown."
    )
    because: str = Field(description="What was measured there.")
    fell: str | None = Field(
        description="How few it answered when it was asked for more; null: no fewer."
    )


def find_bottleneck(facts: LoadFacts) -> tuple[Bottleneck, str]:
    """The limit, and what it rests on; the first rule that holds decides."""
    rules: tuple[tuple[Bottleneck, Callable[[LoadFacts], str | None]], ...] = (
        (Bottleneck.CLIENT, _client),
        (Bottleneck.MODEL, _model),
        (Bottleneck.MODEL, _mostly_model),
        (Bottleneck.FRONT, _front),
        (Bottleneck.SERVER_CORES, _server_cores),
    )
    for limit, rule in rules:
        because = rule(facts)
        if because:
            return limit, f"{_answered(facts)}; {because}"
    limit = Bottleneck.UNKNOWN if facts.saturated else Bottleneck.SCHEDULE
    return limit, f"{_answered(facts)}; {_measured(facts)}"


def find_bottlenecks(
    points: Sequence[Point], facts_of: Callable[[Point], LoadFacts | None]
) -> list[BottleneckFound]:
    """The limit of each contender at its highest load; where nothing is full there, at the load
    above it that it did not keep up with."""
    found = []
    for name, point in highest_loads(points).items():
        stopped = saturated_at(points, point)
        facts = facts_of(point)
        if facts is None:
            continue
        limit, because = find_bottleneck(replace(facts, saturated=stopped is not None))
        beyond = facts_of(stopped) if stopped and stopped is not point else None
        if limit is Bottleneck.UNKNOWN and stopped and beyond:
            limit, there = find_bottleneck(replace(beyond, saturated=True))
            because += f"; at {stopped.level}, where it was saturated: {there}"
        fell = _fell(fell_at(points, point))
        found.append(
            BottleneckFound(
                contender=name, level=point.level, bottleneck=limit, because=because, fell=fell
            )
        )
    return found


def load_facts(
    point: Point,
    ceiling: Ceiling | None,
    engine_share: float | None,
    on_gpu: bool,
    n_cores: int,
    slo_latency_ms: float,
) -> LoadFacts | None:
    """What a point says of its contender at that load; None: nothing was measured."""
    metrics = point.metrics
    if metrics is None:
        return None
    cpu, gateway_s = metrics.server_cpu_utilisation, metrics.gateway_cpu_s_per_1000_requests
    # Where the server does not keep up, its client waits for it: late sending is no sign then.
    lag_matters = point.mode == "open" and not point.saturated
    return LoadFacts(
        offered_rps=metrics.offered_rps if point.mode == "open" else None,
        throughput_rps=metrics.throughput_rps,
        saturated=point.saturated,
        ceiling_rps=ceiling.ceiling_rps if ceiling else None,
        send_lag_p99_ms=metrics.send_lag_p99_ms if lag_matters else None,
        send_lag_bound_ms=SEND_LAG_SHARE * slo_latency_ms,
        on_gpu=on_gpu,
        server_cpu=cpu,
        server_cores_used=None if cpu is None else cpu * n_cores,
        gateway_cores_used=(
            None if gateway_s is None else gateway_s * metrics.throughput_rps / 1000
        ),
        engine_share=engine_share,
        sm_active=metrics.gpu_sm_active_ratio,
        gpu_busy=metrics.gpu_busy_ratio,
    )


def _fell(point: Point | None) -> str | None:
    if point is None or point.metrics is None:
        return None
    metrics, cpu = point.metrics, point.metrics.server_cpu_utilisation
    used = "" if cpu is None else f", server CPU {percent(cpu)}"
    answered = f"{number(metrics.throughput_rps)} of {number(metrics.offered_rps)} rps"
    return f"{answered} at {point.level}{used}"


def _client(facts: LoadFacts) -> str | None:
    asked_rps = facts.offered_rps or facts.throughput_rps
    if facts.ceiling_rps and asked_rps > CEILING_SHARE * facts.ceiling_rps:
        return f"the client's ceiling is {number(facts.ceiling_rps)} rps"
    lag_ms, bound_ms = facts.send_lag_p99_ms, facts.send_lag_bound_ms
    if lag_ms is not None and bound_ms is not None and lag_ms > bound_ms:
        return f"P99 send lag {number(lag_ms)} ms, bound {number(bound_ms)} ms"
    return None


def _model(facts: LoadFacts) -> str | None:
    if facts.engine_share is not None and facts.engine_share >= FULL:
        return f"it answers {percent(facts.engine_share)} of what its engine does alone"
    if facts.on_gpu and facts.sm_active is not None and facts.sm_active >= SM_FULL:
        return f"SM active {percent(facts.sm_active)}"
    return None


def _mostly_model(facts: LoadFacts) -> str | None:
    share = facts.engine_share
    if not _in_turn(facts) or share is None or share < MOST:
        return None
    return f"{_one_core(facts)}, of which the network takes {percent(share)}; {_measured(facts)}"


def _front(facts: LoadFacts) -> str | None:
    device_known = facts.engine_share is not None or facts.sm_active is not None
    if not facts.on_gpu or not device_known:
        return None
    if facts.server_cpu is not None and facts.server_cpu >= FULL:
        return _measured(facts)
    gateway = facts.gateway_cores_used
    if gateway is not None and gateway >= FULL:
        return f"the gateway uses {number(gateway)} cores; {_measured(facts)}"
    # A thread that waits for the GPU may spin: without the engine's share, a GPU that is always
    # busy, or of which that is not known, leaves open which of the two the core works for.
    spins = facts.engine_share is None and (facts.gpu_busy is None or facts.gpu_busy >= FULL)
    return f"{_one_core(facts)}; {_measured(facts)}" if _in_turn(facts) and not spins else None


def _in_turn(facts: LoadFacts) -> bool:
    used = facts.server_cores_used
    return facts.on_gpu and facts.saturated and used is not None and FULL <= used <= ONE_CORE


def _one_core(facts: LoadFacts) -> str:
    return f"front and network take turns on {number(facts.server_cores_used)} cores"


def _server_cores(facts: LoadFacts) -> str | None:
    if facts.on_gpu or facts.server_cpu is None or facts.server_cpu < FULL:
        return None
    if facts.engine_share is None:
        return f"{_measured(facts)}; its engine alone was not measured"
    return (
        f"{_measured(facts)}: the network alone would need about {percent(facts.engine_share)} of "
        "the time for as many requests, the rest goes to the front, the batching and waiting"
    )


def _answered(facts: LoadFacts) -> str:
    if facts.offered_rps is None:
        return f"{number(facts.throughput_rps)} rps answered in a closed loop"
    return f"{number(facts.throughput_rps)} of {number(facts.offered_rps)} rps answered"


def _measured(facts: LoadFacts) -> str:
    shares = (
        ("server CPU", facts.server_cpu),
        ("share of its engine", facts.engine_share),
        ("SM active", facts.sm_active),
        ("GPU time busy", facts.gpu_busy),
    )
    known = [f"{name} {percent(share)}" for name, share in shares if share is not None]
    return ", ".join(known) or "neither CPU nor device were measured"
