"""What the command line changes in an experiment."""

import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from loadtests.records.experiment import Slo
from loadtests.spec.experiment import CapacitySpec, Experiment, placed
from loadtests.spec.file import SpecError


def with_overrides(experiment: Experiment, model: str | None, texts: Path | None) -> Experiment:
    """The experiment with another model or other texts, where given."""
    given = {
        "model": None if model is None else placed(model, Path()),
        "texts": str(texts.absolute()) if texts else None,
    }
    return experiment.model_copy(update={k: v for k, v in given.items() if v is not None})


def capacity_only(experiment: Experiment, slos: Sequence[str]) -> Experiment:
    """The experiment without its common levels: every round searches for capacity."""
    capacity = experiment.capacity or CapacitySpec()
    asked = (
        tuple(slo_from(text, experiment.slo.max_error_ratio) for text in slos) or experiment.slos
    )
    load = experiment.load.model_copy(update={"rates_rps": (), "concurrency": ()})
    changes = {
        "name": f"{experiment.name}-capacity"[:40].rstrip("-"),
        "load": load.model_dump(),
        "slo": asked[0].model_dump(),
        "more_slos": [slo.model_dump() for slo in asked[1:]],
        "capacity": capacity.model_dump(),
    }
    try:
        return Experiment.model_validate(experiment.model_dump() | changes)
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise SpecError(f"this experiment has no capacity to search for: {problem}.") from error


def slo_from(text: str, max_error_ratio: float) -> Slo:
    """The SLO that a text such as 'p99<=50ms' says; SpecError for another one."""
    parts = re.fullmatch(r"\s*[pP]([\d.]+)\s*<=\s*([\d.]+)\s*ms\s*", text)
    try:
        if parts:
            return Slo(
                percentile=float(parts[1]),
                latency_ms=float(parts[2]),
                max_error_ratio=max_error_ratio,
            )
    except ValueError:
        pass
    raise SpecError(
        f"expected an SLO such as 'p99<=50ms' with P50, P90, P95, P99 or P99.9, found {text!r}; "
        "correct --slo."
    )
