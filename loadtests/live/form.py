"""The experiment that a form of the page asks for, or what is wrong with the form. Pure."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loadtests.plan.live_choices import ARRIVALS, HIGHEST_RATE_RPS, LENGTHS
from loadtests.plan.time_budget import CLOSING_S
from loadtests.spec.experiment import Experiment
from loadtests.spec.overrides import capacity_only
from servers.discovery import Contender

SLICE_S = 2.5
WARMUP_S = 0.4
BEFORE_S = 15.0
"""Calibration of the client, and what precedes it."""

LEAST_S, MOST_S = 10.0, 3600.0
NULL_SERVERS = {"http-json": "null-http", "kserve-grpc": "null-grpc"}


class FormError(ValueError):
    """A form that asks for what cannot be done; the message is one sentence."""


@dataclass(frozen=True)
class Form:
    """seconds: of measuring, for each contender. slo_ms: bound of the P99."""

    contenders: tuple[str, ...]
    rate_rps: float
    arrivals: str
    texts: str
    lengths: str
    seconds: float
    slo_ms: float

    @classmethod
    def read(cls, given: Mapping[str, Any], offered: Sequence[str], texts: Sequence[str]) -> "Form":
        """What the page sent; offered: the contenders that are up; texts: the sources of texts."""
        names = given.get("contenders")
        chosen = tuple(name for name in offered if isinstance(names, list) and name in names)
        if len(chosen) < 2:
            raise FormError(
                f"expected at least two contenders that are up, found {len(chosen)}: choose more."
            )
        return cls(
            chosen,
            _number(given, "rate_rps", "a rate in requests a second", 0.1, HIGHEST_RATE_RPS),
            _choice(given, "arrivals", ARRIVALS),
            _choice(given, "texts", texts),
            _choice(given, "lengths", LENGTHS),
            _number(given, "seconds", "seconds for each contender", LEAST_S, MOST_S),
            _number(given, "slo_ms", "a bound of the P99 in ms", 1, 60_000),
        )

    @property
    def budget_s(self) -> float:
        return BEFORE_S + len(self.contenders) * self.seconds + CLOSING_S


def comparison(
    form: Form, contenders: Mapping[str, Contender], seed: int, model: str, texts: str | None
) -> Experiment:
    """One and the same load at all of them, in rotation; the first is the reference."""
    protocols = [contenders[name].protocol for name in form.contenders]
    calibration = {
        "contenders": list(dict.fromkeys(NULL_SERVERS[each] for each in protocols)),
        "warmup_s": 0.3,
        "steady_s": 1.0,
    }
    return Experiment.model_validate(
        {
            "name": "browser-comparison",
            "description": "Asked for in the browser, with study ui",
            "seed": seed,
            "time_budget_s": form.budget_s,
            "model": model,
            "texts": texts,
            "reference": form.contenders[0],
            "contenders": form.contenders,
            "min_difference": 0.1,
            "slo": {"latency_ms": form.slo_ms},
            "load": {
                "rates_rps": (form.rate_rps,),
                "warmup_s": WARMUP_S,
                "steady_s": SLICE_S,
                "request_timeout_s": 3.0,
                "arrivals": ARRIVALS[form.arrivals].model_dump(),
            },
            "calibration": calibration,
        }
    )


def capacity_search(experiment: Experiment) -> Experiment:
    """The same contenders, each at rates of its own: the highest that meets the SLO."""
    return capacity_only(experiment, ())


def _number(given: Mapping[str, Any], key: str, what: str, least: float, most: float) -> float:
    try:
        value = float(given.get(key, ""))
    except (TypeError, ValueError):
        value = math.nan
    if not least <= value <= most:
        raise FormError(
            f"expected {what} from {least:g} to {most:g}, found {str(given.get(key))[:40]!r}: "
            "correct it."
        )
    return value


def _choice(given: Mapping[str, Any], key: str, choices: Collection[str]) -> str:
    value = given.get(key)
    if value not in choices:
        raise FormError(f"expected one of {'; '.join(choices)}, found {str(value)[:40]!r}.")
    return str(value)
