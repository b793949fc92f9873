"""One device: whom to choose at each rate, and what the documents' rules of thumb come to on it."""

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite

from pydantic import Field

from analysis.predict.answer import Curves, answered_crossover, curves_of
from analysis.predict.basis import Modelled
from analysis.predict.load_curve import LoadCurve, load_curve
from analysis.predict.plan import PlanQuestion, plan
from analysis.predict.values import Front, PredictError, Traffic
from analysis.read.value import Value
from loadtests.records.experiment import Slo

RATES_RPS = (50.0, 100.0, 500.0, 2000.0, 5000.0)
PER_REQUEST, BATCHED = "fastapi", "triton"
"""The two that the documents compare."""

DELAYS_S = (0.0, 0.001, 0.002, 0.005, 0.01)
INSTANCES = (1, 2, 4)
LIGHT, MEDIUM = 0.02, 0.5
"""Shares of the highest rate at which a request is nearly alone, and at which half is used."""


class DeviceChoice(Value):
    """The contender with the fewest replicas at a rate; of several the first in the experiment."""

    rate_rps: float = Field(description="Arrival rate.")
    contender: str | None = Field(default=None, description="Null: nobody meets the SLO.")
    also: list[str] = Field(default=[], description="Others that need as few replicas.")
    replicas: int | None = Field(
        default=None, description="How many of it, each with a device of its own."
    )
    latency_ms: float | None = Field(
        default=None, description="The SLO's percentile; null: not known."
    )
    device_busy: float | None = Field(
        default=None, description="Share of time with a pass; null: not known."
    )
    device_share_of_best: float | None = Field(
        default=None,
        description="Texts a second over the most that the device gives; null: not known.",
    )
    measured: bool = Field(default=False, description="False: predicted.")


class Replica(Value):
    """One replica of a contender."""

    contender: str = Field(description="Name of the contender.")
    capacity_rps: float | None = Field(description="Within the SLO; null: met at no rate.")
    light_p50_ms: float = Field(description="P50 of a request that is nearly alone.")
    device_busy: float | None = Field(description="Share of time with a pass, at capacity.")
    device_share_of_best: float | None = Field(
        description="Texts a second over the most that the device gives, at capacity."
    )


class Varied(Value):
    """One replica with another setting."""

    value: float = Field(description="The setting: milliseconds of queue delay, or instances.")
    capacity_rps: float | None = Field(description="Within the SLO; null: met at no rate.")
    p50_ms: float = Field(description="P50 at half of the highest rate without the setting.")


class Crossing(Value):
    """From which rate per-request FastAPI needs more replicas than another contender."""

    other: str = Field(description="The first contender that needs fewer.")
    rate_rps: float | None = Field(description="That rate; null: at none up to 10,000/s.")
    low_rps: float | None = Field(description="Lower end, with both capacities off.")
    high_rps: float | None = Field(description="Upper end; null: none.")


class DeviceStudy(Value):
    """What is said of one device."""

    device: str = Field(description="Processor, or the label of a simulated device.")
    simulated: bool = Field(description="True: nothing of this device was measured here.")
    cores: int = Field(description="Of the server of each replica.")
    slo: Slo = Field(description="The objective.")
    choices: list[DeviceChoice] = Field(description="By rate.")
    crossing: Crossing | None = Field(description="Of fastapi; null: it meets the SLO nowhere.")
    alone: Replica = Field(description="fastapi as published: a pass for each request.")
    batched: Replica = Field(description="triton with its batcher.")
    delays: list[Varied] = Field(description="triton with other queue delays.")
    instances: list[Varied] = Field(description="triton with more instances on one device.")


def study_device(
    models: Sequence[Modelled], traffic: Traffic, slo: Slo, device: str, cores: int
) -> DeviceStudy:
    """PredictError where one of the two that the documents compare is missing."""
    by_name = {each.name: each for each in models}
    for name in (PER_REQUEST, BATCHED):
        if name not in by_name:
            raise PredictError(
                f"expected {name} among the contenders, found {', '.join(by_name) or 'none'}: "
                "choose a run of the default or of the reference experiment."
            )
    curves = curves_of(models, traffic, slo.percentile)
    of = {curve.contender: curve for curve in curves.predicted}
    batched = by_name[BATCHED]
    half_rps = MEDIUM * of[BATCHED].highest_rps

    def varied(value: float, front: Front) -> Varied:
        curve = load_curve(front, batched.device, traffic)
        return Varied(
            value=value,
            capacity_rps=curve.capacity_rps(slo),
            p50_ms=curve.latency_s(half_rps, 50) * 1000,
        )

    crossing = answered_crossover(PER_REQUEST, models, curves, slo)
    return DeviceStudy(
        device=device,
        simulated=any(each.label for each in models),
        cores=cores,
        slo=slo,
        choices=[_choice(rate_rps, slo, curves) for rate_rps in RATES_RPS],
        crossing=None
        if crossing is None
        else Crossing(
            other=crossing.other,
            rate_rps=crossing.rate_rps,
            low_rps=crossing.low_rps,
            high_rps=crossing.high_rps,
        ),
        alone=_replica(of[PER_REQUEST], slo),
        batched=_replica(of[BATCHED], slo),
        delays=[varied(1000 * d, replace(batched.front, queue_delay_s=d)) for d in DELAYS_S],
        instances=[varied(n, replace(batched.front, instances=n)) for n in INSTANCES],
    )


def _choice(rate_rps: float, slo: Slo, curves: Curves) -> DeviceChoice:
    try:
        answers = plan(PlanQuestion(rate_rps, slo), curves.predicted, curves.measured)
    except PredictError:
        answers = []
    best = next((answer for answer in answers if answer.can), None)
    if best is None:
        return DeviceChoice(rate_rps=rate_rps)
    also = [a.contender for a in answers if a.can and a.replicas == best.replicas and a is not best]
    return DeviceChoice(
        rate_rps=rate_rps,
        contender=best.contender,
        also=also,
        replicas=best.replicas,
        latency_ms=None if best.latency_s is None else best.latency_s * 1000,
        device_busy=_known(best.device_busy),
        device_share_of_best=_known(best.device_share_of_best),
        measured=best.measured,
    )


def _replica(curve: LoadCurve, slo: Slo) -> Replica:
    capacity_rps = curve.capacity_rps(slo)
    at_rps = capacity_rps or curve.highest_rps
    return Replica(
        contender=curve.contender,
        capacity_rps=capacity_rps,
        light_p50_ms=curve.latency_s(LIGHT * curve.highest_rps, 50) * 1000,
        device_busy=_known(curve.figure(at_rps, "device_busy")),
        device_share_of_best=_known(curve.figure(at_rps, "device_share_of_best")),
    )


def _known(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
