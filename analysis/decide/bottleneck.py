"""What limits a contender: the client, the front, the model, or the load."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from pydantic import Field

from analysis.capacity.engine_efficiency import fell_at, highest_loads, saturated_at
from analysis.capacity.load_points import Point
from analysis.read.value import Value
from analysis.validity.trials import Ceiling
from loadtests.records.trials import CEILING_SHARE, SEND_LAG_SHARE

FULL = 0.9
"""Share at which cores, a core or an engine count as full: at 0.9 a request spends ten times its
service time in front of one server (M/M/1: 1 / (1 - load)), and neither the samples of CPU time nor
the engine's curve are known much better than to a tenth."""

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
    SERVER_CORES = "server_cores"
    SCHEDULE = "schedule"
    UNKNOWN = "unknown"


class Rule(StrEnum):
    """The rules that name a bottleneck, in the order in which they are tried."""

    CLIENT_CEILING = "client_ceiling"
    SEND_LAG = "send_lag"
    ENGINE_SHARE = "engine_share"
    SM_ACTIVE = "sm_active"
    NETWORK_ON_ONE_CORE = "network_on_one_core"
    FRONT_CORES = "front_cores"
    GATEWAY_CORE = "gateway_core"
    FRONT_ON_ONE_CORE = "front_on_one_core"
    SERVER_CORES = "server_cores"
    NOTHING_FULL = "nothing_full"


class LoadFacts(Value):
    """What was measured of a contender at one load."""

    offered_rps: float | None = Field(description="Arrival rate; null: a closed loop.")
    throughput_rps: float = Field(description="Answered per second.")
    saturated: bool = Field(
        default=False, description="True: it did not keep up, there or at a higher load."
    )
    ceiling_rps: float | None = Field(
        default=None, description="Calibrated ceiling of the client; null: not measured."
    )
    send_lag_p99_ms: float | None = Field(
        default=None, description="P99 send lag; null: it says nothing here."
    )
    send_lag_bound_ms: float | None = Field(
        default=None, description="Bound on the send lag of a valid trial."
    )
    on_gpu: bool = Field(default=False, description="Whether its engine runs on a GPU.")
    server_cpu: float | None = Field(
        default=None, description="Share of the server's cores in use; null: not measured."
    )
    server_cores_used: float | None = Field(
        default=None, description="Server CPU seconds a second; null: not measured."
    )
    gateway_cores_used: float | None = Field(
        default=None, description="CPU seconds a second of the gateway; null: none or not measured."
    )
    engine_share: float | None = Field(
        default=None, description="Throughput over its engine's own rate; null: not measured."
    )
    sm_active: float | None = Field(
        default=None, description="Share of the GPU's multiprocessors with work; null: unknown."
    )
    gpu_busy: float | None = Field(
        default=None, description="Share of time in which the GPU ran a kernel; null: unknown."
    )


class LoadBeyond(Value):
    """The load above its highest at which a contender was saturated."""

    level: str = Field(description="Name of that load level.")
    rule: Rule = Field(description="What was full there.")
    facts: LoadFacts = Field(description="What was measured there.")


class Fell(Value):
    """A higher load at which a contender answered less."""

    level: str = Field(description="Name of that load level.")
    throughput_rps: float = Field(description="Answered per second there.")
    offered_rps: float = Field(description="Arrival rate there, as offered.")
    server_cpu: float | None = Field(
        description="Share of the server's cores in use there; null: not measured."
    )


class BottleneckFound(Value):
    """What limits a contender at its highest load."""

    contender: str = Field(description="Name of the contender.")
    level: str = Field(description="The load level at which it answered the most.")
    bottleneck: Bottleneck = Field(
        description="What limits it; schedule: the experiment has no higher load."
    )
    rule: Rule = Field(description="What was full at that level; nothing_full: look at beyond.")
    facts: LoadFacts = Field(description="What was measured at that level.")
    beyond: LoadBeyond | None = Field(
        description="Where nothing was full there: the load above it at which the contender was "
        "saturated; null: none."
    )
    fell: Fell | None = Field(description="The least it answered above that; null: no less.")


def find_bottleneck(facts: LoadFacts) -> tuple[Bottleneck, Rule]:
    """The bottleneck and the rule that names it; the first rule that holds decides."""
    for bottleneck, rules in _RULES.items():
        for rule, holds in rules.items():
            if holds(facts):
                return bottleneck, rule
    limit = Bottleneck.UNKNOWN if facts.saturated else Bottleneck.SCHEDULE
    return limit, Rule.NOTHING_FULL


def find_bottlenecks(
    points: Sequence[Point], facts_of: Callable[[Point], LoadFacts | None]
) -> list[BottleneckFound]:
    """The bottleneck of each contender at its highest load; where nothing is full there, at the
    load above it that it did not keep up with."""
    found = []
    for name, point in highest_loads(points).items():
        stopped = saturated_at(points, point)
        facts = facts_of(point)
        if facts is None:
            continue
        facts = facts.model_copy(update={"saturated": stopped is not None})
        bottleneck, rule = find_bottleneck(facts)
        above = facts_of(stopped) if stopped and stopped is not point else None
        beyond = None
        if bottleneck is Bottleneck.UNKNOWN and stopped and above:
            above = above.model_copy(update={"saturated": True})
            bottleneck, there = find_bottleneck(above)
            beyond = LoadBeyond(level=stopped.level, rule=there, facts=above)
        found.append(
            BottleneckFound(
                contender=name,
                level=point.level,
                bottleneck=bottleneck,
                rule=rule,
                facts=facts,
                beyond=beyond,
                fell=_fell(fell_at(points, point)),
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


def _fell(point: Point | None) -> Fell | None:
    if point is None or point.metrics is None:
        return None
    return Fell(
        level=point.level,
        throughput_rps=point.metrics.throughput_rps,
        offered_rps=point.metrics.offered_rps,
        server_cpu=point.metrics.server_cpu_utilisation,
    )


def _above(value: float | None, bound: float) -> bool:
    return value is not None and value >= bound


def _client_ceiling(facts: LoadFacts) -> bool:
    asked_rps = facts.offered_rps or facts.throughput_rps
    return bool(facts.ceiling_rps) and asked_rps > CEILING_SHARE * (facts.ceiling_rps or 0.0)


def _late(facts: LoadFacts) -> bool:
    lag_ms, bound_ms = facts.send_lag_p99_ms, facts.send_lag_bound_ms
    return lag_ms is not None and bound_ms is not None and lag_ms > bound_ms


def _network_on_one_core(facts: LoadFacts) -> bool:
    return _in_turn(facts) and _above(facts.engine_share, MOST)


def _device_known(facts: LoadFacts) -> bool:
    return facts.on_gpu and (facts.engine_share is not None or facts.sm_active is not None)


def _front_on_one_core(facts: LoadFacts) -> bool:
    # A thread that waits for the GPU may spin: without the engine's share, a GPU that is always
    # busy, or of which that is not known, leaves open which of the two the core works for.
    spins = facts.engine_share is None and (facts.gpu_busy is None or facts.gpu_busy >= FULL)
    return _device_known(facts) and _in_turn(facts) and not spins


def _in_turn(facts: LoadFacts) -> bool:
    used = facts.server_cores_used
    return facts.on_gpu and facts.saturated and used is not None and FULL <= used <= ONE_CORE


_RULES: Mapping[Bottleneck, Mapping[Rule, Callable[[LoadFacts], bool]]] = {
    Bottleneck.CLIENT: {Rule.CLIENT_CEILING: _client_ceiling, Rule.SEND_LAG: _late},
    Bottleneck.MODEL: {
        Rule.ENGINE_SHARE: lambda facts: _above(facts.engine_share, FULL),
        Rule.SM_ACTIVE: lambda facts: facts.on_gpu and _above(facts.sm_active, SM_FULL),
        Rule.NETWORK_ON_ONE_CORE: _network_on_one_core,
    },
    Bottleneck.FRONT: {
        Rule.FRONT_CORES: lambda facts: _device_known(facts) and _above(facts.server_cpu, FULL),
        Rule.GATEWAY_CORE: lambda facts: (
            _device_known(facts) and _above(facts.gateway_cores_used, FULL)
        ),
        Rule.FRONT_ON_ONE_CORE: _front_on_one_core,
    },
    Bottleneck.SERVER_CORES: {
        Rule.SERVER_CORES: lambda facts: not facts.on_gpu and _above(facts.server_cpu, FULL),
    },
}
"""The rules of each bottleneck, in the order in which they are tried."""
