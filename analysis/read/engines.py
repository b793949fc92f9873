"""engines.json: what each engine does on its own, without a server around it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from loadtests.records.stored import Amount, Count, Name, Positive, Share, read_stored

Size = Annotated[int, Field(gt=0, le=1_000_000)]
Digits = Annotated[str, Field(pattern=r"^[0-9]{1,6}$")]


class _Part(BaseModel):
    # As in manifest.json: fields this version does not know are left alone.
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Placement(_Part):
    """Where and how an engine runs the network."""

    device: str = Field(description="cpu or cuda.")
    precision: str = Field(description="Precision asked for: fp32 or fp16.")
    cuda_graphs: bool = Field(default=False, description="True: launches are replayed as graphs.")
    tensorrt: bool = Field(default=False, description="True: through the TensorRT provider.")

    def __str__(self) -> str:
        extras = [
            name
            for name, used in (("CUDA graphs", self.cuda_graphs), ("TensorRT", self.tensorrt))
            if used
        ]
        return ", ".join([self.device, self.precision, *extras])


class PrecisionCheck(_Part):
    """An engine's answers beside those of the reference, on the held-out texts."""

    precision_found: str = Field(description="Precision read from what was loaded.")
    n_texts: Count = Field(description="Texts compared.")
    labels_agree_ratio: Share = Field(description="Share of them with the same label.")
    max_abs_logit_difference: Amount = Field(description="Largest difference of any logit.")
    reference: str = Field(description="What it was compared with.")


class CurvePoint(_Part):
    """One batch size and text length, back to back."""

    batch: Size = Field(description="Texts in a batch.")
    length_tokens: Size = Field(description="Tokens of each, padding included.")
    latency_p50_ms: Amount = Field(description="Median time of a batch.")
    latency_p99_ms: Amount | None = Field(description="P99 of it; null: too few repeats.")
    rate_rps: Positive = Field(description="Texts a second.")
    repeats: Count = Field(description="Batches timed.")


class Engine(_Part):
    """One engine in one placement, measured alone on the server's cores before the first trial."""

    engine: str = Field(description="What runs the network: torch, onnxruntime.")
    placement: Placement = Field(description="Where and how.")
    used_by: list[Name] = Field(description="Contenders that run it.")
    available: bool = Field(description="False: it could not be had here.")
    reason: str = Field(default="", description="Why not; empty where it could.")
    version: str = Field(default="", description="Version of its library.")
    device_name: str = Field(default="", description="GPU or processor that ran it.")
    precision_check: PrecisionCheck | None = Field(
        default=None, description="Its answers; null: not compared."
    )
    curve: list[CurvePoint] = Field(default=[], description="Its own rate by batch and length.")
    flops_per_request: dict[Digits, Amount] = Field(
        default={}, description="Floating-point operations of one text by its padded length."
    )
    matmul_flops_per_s: Amount | None = Field(
        default=None,
        description="Measured rate of large matrix products in that precision on that device.",
    )

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


class _EnginesFile(_Part):
    engines: tuple[Engine, ...]


def engine_of(engines: Sequence[Engine], contender: str) -> Engine | None:
    """The engine that a contender runs, where it was measured."""
    return next((e for e in engines if e.available and contender in e.used_by), None)


def read_engines(run_dir: Path) -> tuple[Engine, ...]:
    """Reads engines.json; none where the run has none. RecordError where it is damaged."""
    path = run_dir / "engines.json"
    return read_stored(path, _EnginesFile).engines if os.path.lexists(path) else ()
