"""The base of every value read from an experiment file."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _no_truth_value(value: object) -> object:
    if isinstance(value, bool):  # Python takes true for the number 1
        raise ValueError(f"expected a number, found {str(value).lower()}")
    return value


Number = Annotated[float, BeforeValidator(_no_truth_value)]
Count = Annotated[int, BeforeValidator(_no_truth_value)]


class Strict(BaseModel):
    """Frozen, and refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)
