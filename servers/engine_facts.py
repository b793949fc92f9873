"""What is measured of an engine alone: its answers beside a reference, and its own speed."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

# Bounds for whoever reads them from a file: far beyond what is measured, and never infinite.
_Amount = Annotated[float, Field(ge=0, le=1e18, allow_inf_nan=False)]
_Rate = Annotated[float, Field(ge=1e-9, le=1e9, allow_inf_nan=False)]
_Size = Annotated[int, Field(gt=0, le=1_000_000)]


@dataclass(frozen=True)
class PrecisionCheck:
    """An engine's answers beside those of the reference, on n_texts texts."""

    precision_found: Annotated[str, Field(description="Precision read from what was loaded.")]
    n_texts: Annotated[int, Field(ge=0, le=2**53, description="Texts compared.")]
    labels_agree_ratio: Annotated[
        float,
        Field(ge=0, le=1, allow_inf_nan=False, description="Share of them with the same label."),
    ]
    max_abs_logit_difference: Annotated[
        _Amount, Field(description="Largest difference of any logit.")
    ]
    max_abs_logit: Annotated[_Amount, Field(description="Largest logit of the reference.")]
    reference: Annotated[str, Field(description="What it was compared with.")]


@dataclass(frozen=True)
class CurvePoint:
    """One batch size and text length, back to back; latency_* are those of one call of
    Engine.infer, copies to and from the device included."""

    batch: Annotated[_Size, Field(description="Texts in a batch.")]
    length_tokens: Annotated[_Size, Field(description="Tokens of each, padding included.")]
    latency_p50_ms: Annotated[_Amount, Field(description="Median time of a batch.")]
    latency_p99_ms: Annotated[
        _Amount | None, Field(description="P99 of it; null: too few repeats.")
    ]
    rate_rps: Annotated[_Rate, Field(description="Texts a second.")]
    repeats: Annotated[int, Field(ge=0, le=2**53, description="Batches timed.")]
