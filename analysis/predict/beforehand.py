"""What a run that has no slices yet will measure, from its engines and an earlier run's fronts."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.predict.basis import PREFERRED_ENGINE, device_of, kind_of
from analysis.predict.fronts import front_shape, with_costs
from analysis.predict.path import predict_at
from analysis.predict.rates import Prepared, prepare
from analysis.predict.values import PredictError, Traffic
from analysis.read.contenders import ContenderFacts
from loadtests.records.device_curve import CurveError
from loadtests.records.engines import EngineFacts
from loadtests.records.front_costs import FrontCosts, RunCosts
from loadtests.records.predictions import PredictedContender, PredictedRate

NEAR = (0.3, 1.2)
"""Shares of the highest rate between which a P99 depends on the queue."""

N_NEAR, N_FAR = 20_000, 4_000
"""Requests simulated for a rate there, and for one at which there is no queue or no P99."""


@dataclass(frozen=True)
class Known:
    """What predictions rest on. engines_from: the run in which the engines were measured alone."""

    costs: RunCosts
    engines: tuple[EngineFacts, ...]
    engines_from: str
    n_cores: int
    traffic: Traffic


def predict_all(
    contenders: Sequence[ContenderFacts], rates_rps: Sequence[float], known: Known, within_s: float
) -> tuple[list[PredictedContender], dict[str, str]]:
    """The contenders that can be predicted, and why others are left out, by name."""
    until_s = time.monotonic() + within_s
    found: list[PredictedContender] = []
    left_out: dict[str, str] = {}
    for facts in contenders:
        try:
            if time.monotonic() > until_s:
                raise PredictError(
                    f"expected the predictions within {within_s:.3g} s, a share of the run's time, "
                    f"found {facts.name} still to come: give the run more time."
                )
            found.append(_predicted(facts, rates_rps, known))
        except (PredictError, CurveError) as problem:
            left_out[facts.name] = str(problem)
    return found, left_out


def costs_of(facts: ContenderFacts, costs: RunCosts) -> FrontCosts:
    """Of the servers set up like this one the one with the same name, or engine; PredictError where
    there is none."""
    alike = [each for each in costs.fronts if kind_of(each) == kind_of(facts)]
    if not alike:
        raise PredictError(
            f"expected a server set up as {facts.name} in {costs.run_id}, found none: what it "
            "costs beside the pass is not known, leave it out."
        )
    return max(
        alike,
        key=lambda each: (
            each.name == facts.name,
            each.engine == facts.engine,
            each.engine == PREFERRED_ENGINE,
        ),
    )


def _predicted(
    facts: ContenderFacts, rates_rps: Sequence[float], known: Known
) -> PredictedContender:
    shape = front_shape(facts, known.n_cores)
    device = device_of(facts, known.engines, known.engines_from)
    front = with_costs(shape, costs_of(facts, known.costs))
    prepared = prepare(front, device, known.traffic)
    return PredictedContender(
        contender=facts.name,
        simulated_device=facts.simulated_device,
        highest_rps=prepared.highest_rate_rps,
        rates=tuple(_at(prepared, rate_rps) for rate_rps in rates_rps),
    )


def _at(prepared: Prepared, rate_rps: float) -> PredictedRate:
    load = rate_rps / prepared.highest_rate_rps
    found = predict_at(prepared, rate_rps, N_NEAR if NEAR[0] <= load <= NEAR[1] else N_FAR)
    steady_rps = rate_rps * (1 - found.refused_ratio)  # the simulation's own adds noise of arrivals
    return PredictedRate(
        rate_rps=rate_rps,
        throughput_rps=found.throughput_rps if found.saturated else steady_rps,
        p50_ms=None if found.saturated else found.p50_s * 1000,
        p99_ms=None if found.saturated else found.p99_s * 1000,
        mean_batch=found.mean_batch,
        cpu_utilisation=found.cpu_utilisation,
        device_busy=found.device_busy,
        saturated=found.saturated,
    )
