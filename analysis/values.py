"""The base of every value that analysis computes and summary.json holds."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """An immutable value whose fields carry their unit in the name and their meaning beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
