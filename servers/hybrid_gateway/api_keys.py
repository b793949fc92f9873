"""API keys: only their SHA-256 is kept, and a key is compared in a time that tells nothing.

A key is 256 random bits (new_key.py makes one): nobody finds it by trying, so that a slow hash
would protect nothing and cost each request its time.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence

from servers.hybrid_gateway.clients import SCOPES, Client, invalid
from servers.hybrid_gateway.features import FeatureError

_FORM = "NAME SHA256 [SCOPE,SCOPE]"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def digest_of(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


class ApiKeys:
    """One or several keys for each client: while one replaces another, both are valid."""

    def __init__(self, entries: Sequence[tuple[bytes, Client]]) -> None:
        self._entries = tuple(entries)

    @classmethod
    def parse(cls, text: str) -> "ApiKeys":
        """From lines (or what semicolons part) NAME SHA256 [SCOPE,SCOPE]; # begins a comment."""
        lines = (line.split("#", 1)[0].split() for line in re.split(r"[\n;]", text))
        entries = [_entry(words) for words in lines if words]
        if not entries:
            raise FeatureError(f"expected keys as lines {_FORM}, found none.")
        return cls(entries)

    def client(self, credential: bytes) -> Client:
        digest, found = digest_of(credential), None
        for known, client in self._entries:  # all of them, whichever it is
            if hmac.compare_digest(known, digest):
                found = client
        if found is None:
            raise invalid("one that is not known")
        return found


def _entry(words: Sequence[str]) -> tuple[bytes, Client]:
    name, digest, *rest = (*words, "")[:4]
    scopes = frozenset(rest[0].split(",")) if rest and rest[0] else frozenset({SCOPES[0]})
    # What is wrong is not shown: somebody may have written the key itself there.
    if len(words) > 3 or not _NAME.fullmatch(name) or not _DIGEST.fullmatch(digest):
        raise FeatureError(
            f"expected keys as lines {_FORM}, the digest in 64 hexadecimal digits, found "
            "another line: make one with `python -m servers.hybrid_gateway.new_key NAME`."
        )
    unknown = sorted(scopes - set(SCOPES))
    if unknown:
        raise FeatureError(
            f"expected scopes of {', '.join(SCOPES)} for {name!r}, found {unknown[0]!r}."
        )
    return bytes.fromhex(digest), Client(name, scopes)
