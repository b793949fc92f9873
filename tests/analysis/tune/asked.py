"""What is asked in these tests, and configurations as a run might have shown them."""

from typing import Any

from analysis.compare.intervals import Metric
from analysis.compare.ratios import CapacityRatio
from analysis.compare.verdicts import Ratio, Verdict
from analysis.tune.measured import Candidate, Configuration, Generation
from loadtests.records.experiment import Slo
from loadtests.records.tuning import Limits, Tuning

SLO = Slo(percentile=99, latency_ms=100, max_error_ratio=0.001)
SPACE = {"max_batch_size": (8, 32), "instances": (1, 2)}
DEFAULT = {"max_batch_size": 32, "instances": 1}


def tuning(**changes: Any) -> Tuning:
    asked: dict[str, Any] = {
        "contender": "triton",
        "slo": SLO,
        "limits": Limits(),
        "low_rps": 20.0,
        "space": SPACE,
        "default": DEFAULT,
        "model": "small",
        "candidates": 2,
        "finalists": 2,
        "generations": 1,
        "generation_s": 100.0,
        "final_s": 100.0,
        "command": "study tune triton",
    }
    return Tuning(**(asked | changes))


def ratio(low: float, middle: float, high: float, verdict: Verdict) -> CapacityRatio:
    return CapacityRatio(
        slo=SLO, contender="c", over="triton", ratio=middle, low=low, high=high, verdict=verdict
    )


def p50(middle: float, verdict: Verdict) -> Ratio:
    return Ratio(
        metric=Metric.P50,
        ratio=middle,
        low=middle * 0.97,
        high=middle * 1.03,
        n_rounds=6,
        margin=0.05,
        verdict=verdict,
    )


def configuration(name: str = "triton", **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "settings": DEFAULT,
        "certified_rps": 200.0,
        "met_rps": 210.0,
        "estimate_rps": 230.0,
        "p50_ms": 6.0,
        "memory_mib": 700.0,
        "beyond": [],
        "problem": "",
    } | changes


def candidate(
    name: str,
    capacity: CapacityRatio,
    latency: Ratio | None = None,
    **changes: Any,
) -> Candidate:
    own = {"max_batch_size": 8}
    fields = configuration(name, settings=DEFAULT | own) | {"changes": own}
    return Candidate(**(fields | {"capacity": capacity, "p50": latency} | changes))


def generation(*candidates: Candidate, **default: Any) -> Generation:
    return Generation(
        name="final",
        run_id="final-1",
        default=Configuration(**configuration(**default)),
        candidates=list(candidates),
        effects=[],
        again=None,
    )
