"""faults.json: what callers of a gateway saw of a fault behind it, and how long it took to end."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from loadtests.records.manifest import Measurement
from loadtests.records.stored import Count, read_stored


class FaultFound(BaseModel):
    """One fault under a light, steady load."""

    model_config = ConfigDict(frozen=True)

    fault: str = Field(description="What was done.")
    lasted_s: float = Field(description="How long it was held; 0: it was done once.")
    n_calls: Count = Field(description="Calls that were due from the fault on.")
    statuses: dict[str, int] = Field(description="Those by HTTP status, or the name of an error.")
    longest_s: float = Field(description="The longest that one of them waited.")
    recovered_s: float | None = Field(
        description="Seconds from the end of the fault until every call was answered with 200 for "
        "two seconds; null: not seen."
    )


class Faults(Measurement):
    """faults.json, as far as analysis reads it."""

    rate_rps: float = Field(description="Calls a second.")
    faults: list[FaultFound] = Field(description="One for each fault, in their order.")


def read_faults(path: Path) -> Faults:
    """RecordError where the file is missing or damaged."""
    remedy = "run `python -m loadtests.selfcheck.gateway_faults` again."
    return read_stored(path, Faults, remedy, extra="ignore")
