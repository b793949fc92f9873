"""What goes wrong with given models and texts."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SERVERS = Path(__file__).parents[1]
_MISTAKES = (TypeError, AttributeError, NameError, LookupError, AssertionError)


class ClassifierError(ValueError):
    """A model or a file of texts cannot be used; the message is one sentence for the reader."""


@contextmanager
def libraries_refuse(expected: str, remedy: str) -> Iterator[None]:
    """Turns what a library raises into a ClassifierError with its words.

    A mistake in this project's own lines stays a traceback; what the operating system raises is
    not about the model.
    """
    try:
        yield
    except ClassifierError:
        raise
    except Exception as error:
        of_the_system = isinstance(error, OSError) and error.errno is not None
        # Compiled libraries leave no line of their own: the kind of error has to tell, too.
        if of_the_system or (isinstance(error, _MISTAKES) and _raised_here(error)):
            raise
        words = str(error).strip().split("\n")[0]
        raise ClassifierError(
            f"expected {expected}, found {type(error).__name__} ({words}): {remedy}."
        ) from error


def _raised_here(error: Exception) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and Path(frames[-1].filename).is_relative_to(_SERVERS)
