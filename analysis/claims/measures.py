"""What a run measured of each claim: functions by the name that analysis.claims.catalogue uses."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from analysis.capacity.certified import Capacity
from analysis.capacity.engine_efficiency import highest_loads
from analysis.capacity.load_points import Point
from analysis.claims.catalogue import CLAIMS
from analysis.claims.judge import (
    Claim,
    ClaimFound,
    ClaimMeasurement,
    Condition,
    Quantity,
    judge,
)
from analysis.claims.pairs import (
    ContenderPair,
    batching_pairs,
    between,
    differing,
    engine_gains,
    exactly,
    gains,
    pairs,
    same_but,
    same_engine,
)
from analysis.compare.intervals import Metric
from analysis.compare.verdicts import Repeats
from analysis.read.contenders import ContenderFacts
from analysis.read.value import over
from analysis.steady.metrics import Metrics
from loadtests.records.engines import EngineFacts, engine_of

ROOM = 2.0
"""Rate in batches over the rate at batch 1 from which a device had room there. What batching can
gain at most is this ratio: where it is near 1, a claim about batching is about another device."""


@dataclass(frozen=True)
class Findings:
    """What claims are read from. capacities: under the main SLO, by contender."""

    contenders: Sequence[ContenderFacts]
    points: Sequence[Point]
    capacities: Mapping[str, Capacity]
    engines: Sequence[EngineFacts]
    repeats: Repeats

    def only(self, condition: Condition) -> "Findings":
        """These findings without the contenders and engines for which the condition does not hold,
        or is not known to hold."""
        holds = {Condition.GPU: on_gpu, Condition.ROOM: has_room}[condition]
        engines = [engine for engine in self.engines if holds(engine)]
        contenders = [
            contender
            for contender in self.contenders
            if (condition is Condition.GPU and contender.device == "cuda")
            or (condition is Condition.ROOM and engine_of(engines, contender.name))
        ]
        return replace(self, contenders=contenders, engines=engines)

    def gains(self, compared: Iterable[ContenderPair]) -> list[ClaimMeasurement]:
        return gains(self.capacities, compared)

    def at_highest_load(
        self, chosen: Callable[[ContenderFacts], bool]
    ) -> list[tuple[str, str, Metrics]]:
        """Name, level and metrics of the contenders chosen, where each answered the most."""
        highest = highest_loads(self.points)
        names = [c.name for c in self.contenders if chosen(c) and c.name in highest]
        found = [(name, highest[name].level, highest[name].metrics) for name in names]
        return [(name, level, metrics) for name, level, metrics in found if metrics]


def on_gpu(engine: EngineFacts) -> bool:
    return engine.placement.device == "cuda"


def has_room(engine: EngineFacts) -> bool:
    """Whether a device answers, at some length, ROOM times as many texts in batches as alone."""
    alone = {point.length_tokens: point.rate_rps for point in engine.curve if point.batch == 1}
    return any(
        point.rate_rps >= ROOM * alone[point.length_tokens]
        for point in engine.curve
        if point.length_tokens in alone
    )


def judge_claims(findings: Findings) -> list[ClaimFound]:
    """Every claim, in the order of the list, with what was measured of it."""
    return [_judged(claim, findings) for claim in CLAIMS]


def _judged(claim: Claim, findings: Findings) -> ClaimFound:
    """Judged by those contenders and engines alone that the claim is about."""
    where = findings
    for condition in claim.needs:
        where = where.only(condition)
    measure = MEASURES[claim.measure] if claim.measure else lambda _: []
    measured = measure(where)
    elsewhere = not measured and (measure(findings) or not where.contenders)
    return judge(claim, measured, claim.needs if elsewhere else ())


def _mean_batch(found: Findings) -> list[ClaimMeasurement]:
    return [
        exactly(Quantity.MEAN_BATCH, name, metrics.mean_batch, level=level)
        for name, level, metrics in found.at_highest_load(lambda c: c.batches)
        if metrics.mean_batch is not None
    ]


def _batching(found: Findings) -> list[ClaimMeasurement]:
    return found.gains(batching_pairs(found.contenders))


def _batching_latency(found: Findings) -> list[ClaimMeasurement]:
    measured = []
    for before, after in batching_pairs(found.contenders):
        levels = found.repeats.common_levels(before.name, after.name)
        if not levels:
            continue
        level = levels[min(levels)]
        ratios = found.repeats.compare(before.name, after.name, level, {})
        median = next((ratio for ratio in ratios if ratio.metric is Metric.P50), None)
        if median and median.ratio is not None:
            ends = (median.low, median.ratio, median.high)
            where = {"over": before.name, "level": level}
            measured.append(between(Quantity.P50_RATIO, after.name, ends, **where))
    return measured


def _triton_over_fastapi(found: Findings) -> list[ClaimMeasurement]:
    return found.gains(
        (before, after)
        for before, after in pairs(found.contenders)
        if (before.server, before.setting) == ("fastapi_service", "as-published")
        and after.server == "triton_service"
        and before.device == after.device
    )


def _triton_over_litserve(found: Findings) -> list[ClaimMeasurement]:
    return found.gains(
        (before, after)
        for before, after in pairs(found.contenders)
        if (before.server, after.server) == ("litserve_service", "triton_service")
        and before.batches
        and after.batches
        and same_engine(before, after)
    )


def _gpu_where(
    chosen: Callable[[ContenderFacts], bool],
) -> Callable[[Findings], list[ClaimMeasurement]]:
    """Both meanings of GPU utilisation, of the contenders chosen that run on a GPU."""

    def measure(found: Findings) -> list[ClaimMeasurement]:
        return [
            exactly(quantity, name, share, level=level)
            for name, level, metrics in found.at_highest_load(
                lambda c: c.device == "cuda" and chosen(c)
            )
            for quantity, share in (
                (Quantity.GPU_BUSY, metrics.gpu_busy_ratio),
                (Quantity.SM_ACTIVE, metrics.gpu_sm_active_ratio),
            )
            if share is not None
        ]

    return measure


def _fp16(found: Findings) -> list[ClaimMeasurement]:
    values = ("fp32", "fp16")
    return [
        *engine_gains(found.engines, "precision", values),
        *found.gains(differing(found.contenders, "precision", values)),
    ]


def _tensorrt(found: Findings) -> list[ClaimMeasurement]:
    return [
        *engine_gains(found.engines, "tensorrt", (False, True)),
        *found.gains(differing(found.contenders, "tensorrt", ("false", "true"))),
    ]


def _onnx_over_torch(found: Findings) -> list[ClaimMeasurement]:
    in_servers = (
        (before, after)
        for before, after in pairs(found.contenders)
        if (before.engine, after.engine) == ("torch", "onnxruntime")
        and same_but(before.model_copy(update={"engine": after.engine}), after, "cuda_graphs")
    )
    alone = engine_gains(found.engines, "engine", ("torch", "onnxruntime"), "cuda_graphs")
    return [*alone, *found.gains(in_servers)]


def _queue_delay(found: Findings) -> list[ClaimMeasurement]:
    option = "max_queue_delay_us"
    delays_us = {c.name: int(c.options.get(option, "0")) for c in found.contenders}
    return found.gains(
        (before, after)
        for before, after in pairs(found.contenders)
        if delays_us[before.name] < 5000 <= delays_us[after.name] <= 10_000
        and same_but(before, after, option)
    )


def _instances(found: Findings) -> list[ClaimMeasurement]:
    measured = []
    for one, many in pairs(found.contenders):
        n_one, n = (int(c.options.get("instances", "0")) for c in (one, many))
        if n_one != 1 or n < 2 or not same_but(one, many, "instances"):
            continue
        for gain in found.gains([(one, many)]):
            ends = (over(gain.low, n), over(gain.value, n), over(gain.high, n))
            where = {"over": one.name, "n_instances": n}
            measured.append(between(Quantity.CAPACITY_PER_INSTANCE, many.name, ends, **where))
    return measured


def _fastapi_capacity(found: Findings) -> list[ClaimMeasurement]:
    names = [c.name for c in found.contenders if c.server == "fastapi_service"]
    known = [found.capacities[name] for name in names if name in found.capacities]
    return [
        between(Quantity.CAPACITY, c.contender, (c.certified_rps, c.certified_rps, c.not_met_rps))
        for c in known
        if c.certified_rps or c.not_met_rps
    ]


def _outside_the_model(found: Findings) -> list[ClaimMeasurement]:
    measured = []
    for c in found.contenders:
        engine = engine_of(found.engines, c.name)
        own = [p for p in found.points if p.contender == c.name and p.usable and p.rate_rps]
        lowest = min(own, key=lambda p: p.rate_rps or 0.0, default=None)
        metrics = lowest.metrics if lowest else None
        if not engine or not lowest or not metrics or not metrics.mean_padded_tokens:
            continue
        rate_rps = engine.rate_at(1, metrics.mean_padded_tokens)
        if rate_rps and metrics.latency_p50_ms:
            share = max(0.0, 1 - 1000 / rate_rps / metrics.latency_p50_ms)
            found_at = exactly(Quantity.P50_OUTSIDE_MODEL, c.name, share, level=lowest.level)
            measured.append(found_at)
    return measured


MEASURES: Mapping[str, Callable[[Findings], list[ClaimMeasurement]]] = {
    "mean_batch": _mean_batch,
    "batching": _batching,
    "batching_latency": _batching_latency,
    "triton_over_fastapi": _triton_over_fastapi,
    "triton_over_litserve": _triton_over_litserve,
    "gpu_of_fastapi": _gpu_where(lambda c: c.server == "fastapi_service" and not c.batches),
    "gpu_without_batching": _gpu_where(lambda c: not c.batches),
    "gpu_with_batching": _gpu_where(lambda c: c.batches),
    "gpu_of_triton": _gpu_where(lambda c: c.server == "triton_service" and c.batches),
    "fp16": _fp16,
    "tensorrt": _tensorrt,
    "onnx_over_torch": _onnx_over_torch,
    "queue_delay": _queue_delay,
    "instances": _instances,
    "fastapi_capacity": _fastapi_capacity,
    "outside_the_model": _outside_the_model,
}
"""By the name that a claim gives."""
