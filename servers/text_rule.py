"""What a text is, for every contender. Standard library only: Triton's tokenizer gets a copy."""

import unicodedata

MAX_TEXT_CHARS = 2000

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Mc", "Me", "Mn", "Zl", "Zp", "Zs"})
"""Unicode categories of characters that show nothing when they stand alone: control, format
(zero-width ones, the byte-order mark), surrogates, marks that need a letter, and blanks."""


class TextError(ValueError):
    """A text that is not accepted; the message says what was expected and found."""


def checked_text(given: str) -> str:
    """given without surrounding whitespace; TextError where that is no text.

    A text has 1 to MAX_TEXT_CHARS characters, of which at least one can be seen.
    """
    text = given.strip()
    if not text:
        raise TextError("expected a text, found an empty or blank one.")
    if all(unicodedata.category(char) in _UNSEEN for char in text):
        raise TextError("expected a text, found only characters that cannot be seen.")
    if len(text) > MAX_TEXT_CHARS:
        raise TextError(
            f"expected a text of at most {MAX_TEXT_CHARS} characters, found {len(text)}."
        )
    return text
