"""Reads a models file, or says in one sentence what is wrong with it."""

import json
import os
import tomllib
from pathlib import Path

from pydantic import ValidationError

from servers.regular_file import read_regular
from servers.triton_service.models_file.description import ModelsFile
from servers.triton_service.models_file.strict import ModelsFileError, first_problem

SHIPPED = Path(__file__).parent
MOST_BYTES = 2**20


def read_models_file(path: Path) -> ModelsFile:
    """The models in a TOML file, or in one that comes with the study by its name; files that it
    names are looked for from its folder. ModelsFileError says what is wrong with it, and where."""
    path = _shipped(path) or path
    raw = _read(path)
    try:
        # As JSON: there a list may stand for a tuple, and a text not for a number.
        return ModelsFile.model_validate_json(
            json.dumps(raw, default=str), strict=True, context={"folder": path.absolute().parent}
        )
    except ValidationError as error:
        raise ModelsFileError(f"{path}: {first_problem(error, ModelsFile, raw)}") from error


def shipped_names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml")))


def _read(path: Path) -> object:
    try:
        return tomllib.loads(read_regular(path, MOST_BYTES).decode("utf-8-sig"))
    except OSError as error:
        raise ModelsFileError(
            f"expected a models file at {path}, could not read it ({error.strerror}): name another "
            f"one, or one that comes with the study ({', '.join(shipped_names())})."
        ) from error
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, or nested without an end
        raise ModelsFileError(
            f"expected TOML in {path}, found something else ({error}): correct it."
        ) from error


def _shipped(path: Path) -> Path | None:
    """The models file of that name, where the path is a bare name and no file."""
    shipped = SHIPPED / f"{path}.toml"
    bare = path.name == str(path) and not path.suffix and not os.path.exists(path)
    return shipped if bare and shipped.is_file() else None
