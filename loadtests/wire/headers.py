"""Headers of a foreign service that carry secrets: read from the environment, and never shown."""

import os
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Protocol as Interface

from loadtests.records.stored import shown

_ENVIRONMENT = "env:"
_LEAST_SECRET_CHARS = 6
_MOST_QUOTED_CHARS = 200
_READ_CHARS = 65_536


class WithHeaders(Interface):
    """A wire: the value "env:NAME" of a header means that of an environment variable."""

    @property
    def headers(self) -> Mapping[str, str]: ...


def resolved_headers(wire: WithHeaders) -> dict[str, str]:
    """The headers with the values of the environment; KeyError names a variable that is not set."""
    secrets = {name: os.environ[variable] for name, variable in _variables(wire).items()}
    return {**wire.headers, **secrets}


def header_problem(wire: WithHeaders) -> str | None:
    """What is wrong with an environment variable that a header needs: expected this, found that."""
    for variable in _variables(wire).values():
        value = os.environ.get(variable)
        if value is None:
            return f"expected the environment variable {variable} for a header, found none"
        if not value.isascii() or not value.isprintable():
            return f"expected one line of printable ASCII in {variable}, found something else"
    return None


def without_secrets(message: str, wire: WithHeaders) -> str:
    """The message with what came from the environment blotted out: services echo bad tokens.

    A piece of a secret counts as well: a service may cut or escape what it echoes.
    """
    hidden = [False] * len(message)
    for secret in _secrets(wire):
        for start in range(len(secret) - _LEAST_SECRET_CHARS + 1):
            piece = secret[start : start + _LEAST_SECRET_CHARS]
            at = message.find(piece)
            while at >= 0:
                hidden[at : at + len(piece)] = [True] * len(piece)
                at = message.find(piece, at + 1)
    runs = groupby(zip(message, hidden, strict=True), key=lambda pair: pair[1])
    return "".join("***" if secret else "".join(c for c, _ in run) for secret, run in runs)


def _secrets(wire: WithHeaders) -> Iterator[str]:
    """The words of the header values that come from the environment, but for a scheme's name."""
    for variable in _variables(wire).values():
        words = os.environ.get(variable, "").split()
        yield from words[1:] if len(words) > 1 and words[0].isalpha() else words


def _variables(wire: WithHeaders) -> dict[str, str]:
    """The environment variable behind each header that has one."""
    return {
        name: value.removeprefix(_ENVIRONMENT)
        for name, value in wire.headers.items()
        if value.startswith(_ENVIRONMENT)
    }


def quoted(reply: bytes | str, wire: WithHeaders) -> str:
    """The beginning of what a service said, as one line of printable text without secrets.

    Secrets go before the line is cut: half of one that the cut leaves is not recognised any more.
    """
    read = reply[:_READ_CHARS]
    text = read.decode(errors="replace") if isinstance(read, bytes) else read
    return shown(without_secrets(" ".join(text.split()), wire), _MOST_QUOTED_CHARS) or "nothing"
