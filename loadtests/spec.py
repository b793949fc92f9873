"""An experiment: one TOML file read into a frozen value that rejects what it does not know."""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from loadtests.records import Level
from servers.discovery import Contender, ContenderError, OptionValue, discover

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40)]
PositiveRate = Annotated[float, Field(gt=0, le=1_000_000)]
PositiveCount = Annotated[int, Field(gt=0, le=10_000)]


class SpecError(ValueError):
    """An experiment file that cannot be run, as one sentence for its author."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Slo(_Strict):
    """The service level objective: a percentile of latency and a share of errors."""

    percentile: Literal[50, 95, 99] = 99
    latency_ms: Annotated[float, Field(gt=0)] = 100.0
    max_error_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.001


class LoadSpec(_Strict):
    """Load levels and the length of a trial.

    The steady state lasts steady_s, or longer where that is needed to offer min_requests: a
    percentile needs a number of requests, not a number of seconds.
    """

    rates_rps: tuple[PositiveRate, ...] = ()
    concurrency: tuple[PositiveCount, ...] = ()
    warmup_s: Annotated[float, Field(ge=0)] = 2.0
    steady_s: Annotated[float, Field(gt=0)] = 10.0
    min_requests: Annotated[int, Field(ge=0)] = 0
    request_timeout_s: Annotated[float, Field(gt=0)] = 10.0
    workers: Annotated[int, Field(ge=1, le=64)] = 1

    @model_validator(mode="after")
    def _has_a_level(self) -> "LoadSpec":
        if not self.rates_rps and not self.concurrency:
            raise ValueError("expected at least one entry in rates_rps or concurrency, found none")
        return self

    def levels(self) -> tuple[Level, ...]:
        open_loop = tuple(Level("open", rate_rps=rate) for rate in self.rates_rps)
        closed_loop = tuple(Level("closed", concurrency=callers) for callers in self.concurrency)
        return open_loop + closed_loop

    def steady_for(self, level: Level) -> float:
        """Seconds of steady state at this level."""
        if level.rate_rps is None:
            return self.steady_s
        return max(self.steady_s, self.min_requests / level.rate_rps)


class CalibrationSpec(_Strict):
    """Closed-loop runs against the null server: the client's own ceiling on this machine."""

    contenders: tuple[Name, ...] = ("null-http", "null-grpc")
    concurrency: PositiveCount = 16
    warmup_s: Annotated[float, Field(ge=0)] = 1.0
    steady_s: Annotated[float, Field(gt=0)] = 3.0


class VariantSpec(_Strict):
    """A contender made from another one by changing some of its options."""

    name: Name
    base: Name
    options: Mapping[str, OptionValue]


class Experiment(_Strict):
    """What is compared, under which load, judged how."""

    name: Name
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 20261121
    repeats: Annotated[int, Field(ge=1, le=100)] = 1
    reference: Name = "fastapi"
    contenders: Annotated[tuple[Name, ...], Field(min_length=1)]
    model: str = "small"
    texts: str | None = None
    parity_tolerance: Annotated[float, Field(gt=0, le=1)] = 0.001
    slo: Slo = Slo()
    load: LoadSpec
    calibration: CalibrationSpec | None = CalibrationSpec()
    variants: tuple[VariantSpec, ...] = ()

    @model_validator(mode="after")
    def _names_are_distinct(self) -> "Experiment":
        twice = [name for name in self.contenders if self.contenders.count(name) > 1]
        if twice:
            raise ValueError(f"expected each contender once, found {twice[0]!r} twice")
        return self


def read_experiment(path: Path) -> Experiment:
    """The experiment in a TOML file; SpecError says what is wrong with it, and where."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(
            f"cannot read the experiment {path} ({error.strerror}): "
            "`study list` names the experiments that come with the study."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} is not a TOML file: {error}.") from error
    try:
        experiment = Experiment.model_validate(raw)
        resolve_contenders(experiment)
    except ValidationError as error:
        raise SpecError(f"{path}: {_first_problem(error, raw)}") from error
    except ContenderError as error:
        raise SpecError(f"{path}: {error}") from error
    return experiment


def resolve_contenders(experiment: Experiment) -> dict[str, Contender]:
    """Every contender the experiment names, calibration included, variants applied."""
    known = discover()
    for variant in experiment.variants:
        base = _lookup(variant.base, known, "variants.base")
        known[variant.name] = base.variant(variant.name, variant.options)
    calibrated = experiment.calibration.contenders if experiment.calibration else ()
    named = {name: _lookup(name, known, "contenders") for name in experiment.contenders}
    named |= {name: _lookup(name, known, "calibration.contenders") for name in calibrated}
    if experiment.reference not in experiment.contenders:
        raise ContenderError(
            f"reference = {experiment.reference!r}: expected one of the experiment's contenders "
            f"({', '.join(experiment.contenders)}); change reference or add it."
        )
    return named


def _lookup(name: str, known: Mapping[str, Contender], where: str) -> Contender:
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"the contenders are: {', '.join(known)}."
    raise ContenderError(f"{where} names {name!r}, which does not exist; {hint}")


def _first_problem(error: ValidationError, raw: Mapping[str, Any]) -> str:
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"]) or "the file"
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(problem["loc"][-1]), _siblings(problem["loc"]), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "remove it or correct its name."
        return f"{where} is not a setting of an experiment; {hint}"
    if problem["type"] == "missing":
        return f"{where} is missing; add it (loadtests/experiments/default.toml shows how)."
    message = problem["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    found = "" if isinstance(problem["input"], dict) else f" (found {problem['input']!r})"
    return f"{where}: {message}{found}; correct it."


def _siblings(location: tuple[int | str, ...]) -> list[str]:
    sections: dict[str, type[BaseModel]] = {
        "slo": Slo,
        "load": LoadSpec,
        "calibration": CalibrationSpec,
        "variants": VariantSpec,
    }
    owner = sections.get(str(location[0]), Experiment) if len(location) > 1 else Experiment
    return list(owner.model_fields)
