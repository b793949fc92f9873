"""The base of every value that analysis computes and summary.json holds."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """An immutable value whose fields carry their unit in the name and their meaning beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def over(part: float | None, whole: float | None) -> float | None:
    """A ratio, or None where one of the two is unknown or nothing is there to divide by."""
    return part / whole if part is not None and whole else None
