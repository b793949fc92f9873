"""What the gateway does beside asking Triton, read once from its options; all of it is off."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self, cast

from servers.discovery import OptionValue
from servers.regular_file import read_regular

Auth = Literal["off", "keys", "jwt"]
MEMORY = "memory"
_MOST_BYTES = 2**20
_AUTHS = ("off", "keys", "jwt")


class FeatureError(ValueError):
    """An option that cannot be met; one sentence for the operator."""


@dataclass(frozen=True)
class Features:
    """keys, jwks and limits_storage are what their options refer to, not where it was found."""

    auth: Auth = "off"
    keys: str = field(default="", repr=False)
    jwks: str = field(default="", repr=False)
    jwt_issuer: str = ""
    jwt_audience: str = ""
    rate_limits: str = ""
    quotas: str = ""
    limits_storage: str = field(default=MEMORY, repr=False)
    max_at_triton: int = 0
    breaker_failures: int = 0
    breaker_open_s: float = 1.0
    problem_details: bool = False
    trace_context: bool = False
    access_log: bool = False
    drain_notice_s: float = 0.0
    workers: int = 1
    tls_certificate: str = ""
    tls_key: str = ""

    @classmethod
    def of(cls, options: Mapping[str, OptionValue]) -> Self:
        """FeatureError names an option that is wrong, or does not fit to another one."""
        auth = str(options["auth"])
        if auth not in _AUTHS:
            raise FeatureError(f'expected auth = "off", "keys" or "jwt", found {auth!r}.')
        features = cls(
            auth=cast(Auth, auth),
            keys=_referred("keys", options) if auth == "keys" else "",
            jwks=_referred("jwks", options) if auth == "jwt" else "",
            jwt_issuer=str(options["jwt_issuer"]),
            jwt_audience=str(options["jwt_audience"]),
            rate_limits=str(options["rate_limits"]),
            quotas=str(options["quotas"]),
            limits_storage=_referred("limits_storage", options),
            max_at_triton=_count("max_at_triton", options),
            breaker_failures=_count("breaker_failures", options),
            breaker_open_s=_count("breaker_open_ms", options) / 1000,
            problem_details=_flag("problem_details", options),
            trace_context=_flag("trace_context", options),
            access_log=_flag("access_log", options),
            drain_notice_s=_count("drain_notice_ms", options) / 1000,
            workers=_count("workers", options),
            tls_certificate=str(options["tls_certificate"]),
            tls_key=str(options["tls_key"]),
        )
        features._fit_together()
        return features

    @property
    def are_limited(self) -> bool:
        return bool(self.rate_limits or self.quotas)

    def _fit_together(self) -> None:
        if self.auth == "jwt" and not (self.jwt_issuer and self.jwt_audience):
            raise FeatureError(
                "expected jwt_issuer and jwt_audience, found one of them empty: tokens made for "
                "another service would be accepted."
            )
        if self.workers < 1:
            raise FeatureError(f"expected workers of at least 1, found {self.workers}.")
        if self.workers > 1 and self.are_limited and self.limits_storage == MEMORY:
            raise FeatureError(
                f"expected limits_storage to be a Redis that {self.workers} workers share, found "
                f"{MEMORY!r}, where each counts alone: give redis://HOST:PORT, or workers = 1."
            )
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise FeatureError("expected both tls_certificate and tls_key, found only one of them.")
        if self.tls_certificate:
            _fit_as_pair(self.tls_certificate, self.tls_key)


def _fit_as_pair(certificate: str, key: str) -> None:
    for path in (certificate, key):
        _read("tls_certificate and tls_key", path)
    try:
        # With a password, or OpenSSL asks the terminal for that of an encrypted key.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        raise FeatureError(
            "expected tls_certificate and tls_key to be a PEM certificate and its key without a "
            f"password, found {certificate!r} and {key!r}: {error.reason or 'they are unreadable'}."
        ) from None


def _count(name: str, options: Mapping[str, OptionValue]) -> int:
    value = options[name]
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise FeatureError(f"expected {name} to be a whole number of at least 0, found {value!r}.")
    return value


def _flag(name: str, options: Mapping[str, OptionValue]) -> bool:
    value = options[name]
    if not isinstance(value, bool):
        raise FeatureError(f"expected {name} = true or false, found {value!r}.")
    return value


def _referred(name: str, options: Mapping[str, OptionValue]) -> str:
    """The value of an option; "env:NAME" and "file:PATH" stand for what is found there, so that no
    secret is on a command line."""
    value = str(options[name])
    kind, _, where = value.partition(":")
    if kind == "file":
        return _read(name, where)
    if kind != "env":
        return value
    if not os.environ.get(where):
        raise FeatureError(
            f"expected {name} in the environment variable {where}, found it not set: set it, or "
            'name a file as "file:PATH".'
        )
    return os.environ[where]


def _read(name: str, path: str) -> str:
    try:
        return read_regular(Path(path), _MOST_BYTES).decode()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise FeatureError(f"expected {name} in a readable file, found {path!r}: {why}.") from None
