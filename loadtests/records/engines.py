"""engines.json: what each engine does on its own, without a server around it."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, Field, TypeAdapter

from loadtests.records.stored import Amount, Name, read_stored
from loadtests.records.trials import write_stored
from servers.engine_facts import CurvePoint, PrecisionCheck
from servers.engines import Device as Device
from servers.engines import Precision as Precision
from servers.placement import PLACEMENT_OPTIONS as PLACEMENT_OPTIONS
from servers.placement import Placement

ENGINES_FILE = "engines.json"

Digits = Annotated[str, Field(pattern=r"^[0-9]{1,6}$")]


@dataclass(frozen=True)
class EngineFacts:
    """One engine in one placement, measured alone on the server's cores before the first trial.

    Where available is False, nothing below reason is known.
    """

    engine: Annotated[str, Field(description="What runs the network.")]
    placement: Annotated[Placement, Field(description="Where and how.")]
    used_by: Annotated[tuple[Name, ...], Field(description="Contenders that run it.")]
    available: Annotated[bool, Field(description="False: it was unavailable here.")]
    reason: Annotated[str, Field(description="Why not; empty where it could.")] = ""
    version: Annotated[str, Field(description="Version of its library.")] = ""
    device_name: Annotated[str, Field(description="GPU or processor that ran it.")] = ""
    precision_check: Annotated[
        PrecisionCheck | None, Field(description="Its answers; null: not compared.")
    ] = None
    curve: Annotated[
        tuple[CurvePoint, ...], Field(description="Its own rate by batch and length.")
    ] = ()
    flops_per_request: Annotated[
        Mapping[Digits, Amount],
        Field(description="Floating-point operations of one text by its padded length."),
    ] = field(default_factory=dict)
    matmul_flops_per_s: Annotated[
        Amount | None,
        Field(
            description="Measured rate of large matrix products in that precision on that device."
        ),
    ] = None

    @property
    def title(self) -> str:
        return f"{self.engine} ({self.placement})"

    def rate_at(self, batch: float, length_tokens: float) -> float | None:
        """Texts a second at a batch size and length between those measured; None: no curve.

        The time of a batch is interpolated linearly in both. Beyond the largest batch the rate of
        the largest is taken; outside the lengths measured, the nearest one.
        """
        lengths = sorted({point.length_tokens for point in self.curve})
        if not lengths:
            return None
        times_s = [self._batch_time_s(batch, length) for length in lengths]
        return batch / float(np.interp(length_tokens, lengths, times_s))

    def best_rate_at(self, length_tokens: float) -> float | None:
        """Texts a second at the best batch size measured; None: no curve."""
        batches = {point.batch for point in self.curve}
        rates = (self.rate_at(batch, length_tokens) for batch in batches)
        return max((rate for rate in rates if rate is not None), default=None)

    def flops_at(self, length_tokens: float) -> float | None:
        """Operations of one text of this padded length, linear between the lengths known."""
        if not self.flops_per_request:
            return None
        known = sorted((int(length), flops) for length, flops in self.flops_per_request.items())
        lengths, flops = zip((0, 0.0), *known, strict=True)
        return float(np.interp(length_tokens, lengths, flops))

    def _batch_time_s(self, batch: float, length_tokens: int) -> float:
        known = sorted(
            (point.batch, point.batch / point.rate_rps)
            for point in self.curve
            if point.length_tokens == length_tokens
        )
        batches, times_s = [each[0] for each in known], [each[1] for each in known]
        return float(np.interp(batch, batches, times_s)) * max(batch / batches[-1], 1.0)


class _EnginesFile(BaseModel):
    engines: tuple[EngineFacts, ...]


_ENGINE = TypeAdapter(EngineFacts)


def engine_facts(found: Mapping[str, Any]) -> EngineFacts:
    """An entry of engines.json as a value; ValidationError where it is none."""
    return _ENGINE.validate_python(found)


def engine_of(engines: Sequence[EngineFacts], contender: str) -> EngineFacts | None:
    """The engine that a contender runs, where it was measured."""
    return next((e for e in engines if e.available and contender in e.used_by), None)


def write_engines(run_dir: Path, facts: Sequence[EngineFacts]) -> None:
    """Writes engines.json, complete or not at all."""
    write_stored(run_dir / ENGINES_FILE, {"engines": [asdict(each) for each in facts]})


def read_engines(run_dir: Path) -> tuple[EngineFacts, ...]:
    """Reads engines.json; none where the run has none. RecordError where it is damaged."""
    path = run_dir / ENGINES_FILE
    return read_stored(path, _EnginesFile).engines if os.path.lexists(path) else ()
