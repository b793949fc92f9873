"""JSON Web Tokens signed by somebody the operator trusts, checked by PyJWT with his public keys."""

from collections.abc import Sequence
from typing import Any

import jwt

from servers.hybrid_gateway.clients import Client, invalid
from servers.hybrid_gateway.features import FeatureError

ALGORITHMS = ("RS256", "ES256")
LEEWAY_S = 10
"""What two clocks may differ by."""
_MOST_NAME_CHARS = 128
_UNREADABLE = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)
"""RecursionError: of a header nested deeper than json follows; OverflowError: of a date without
end."""


class Tokens:
    """sub is the client's name and scope what he may do; exp, sub, iss and aud must be there."""

    def __init__(self, keys: Sequence[jwt.PyJWK], issuer: str, audience: str) -> None:
        self._keys = tuple(keys)
        self._issuer = issuer
        self._audience = audience

    @classmethod
    def parse(cls, jwks: str, issuer: str, audience: str) -> "Tokens":
        """From a JWKS document; FeatureError where it has another kind of key than ALGORITHMS."""
        try:
            keys = jwt.PyJWKSet.from_json(jwks).keys
        except (*_UNREADABLE, AttributeError) as error:
            raise FeatureError(f"expected jwks to be a JSON Web Key Set, found: {error}") from None
        for key in keys:
            if key.algorithm_name not in ALGORITHMS:
                raise FeatureError(
                    f"expected keys for {' or '.join(ALGORITHMS)} in jwks, found one for "
                    f"{key.algorithm_name}."
                )
            if hasattr(key.key, "private_numbers"):
                raise FeatureError(
                    f"expected public keys in jwks, found the private one {key.key_id!r}: whoever "
                    "reads it can sign tokens; give the gateway its public part."
                )
        return cls(keys, issuer, audience)

    def client(self, credential: bytes) -> Client:
        try:
            claims = self._claims(credential.decode("ascii"))
        except jwt.ExpiredSignatureError:
            raise invalid("a token that has expired") from None
        except jwt.ImmatureSignatureError:
            raise invalid("a token that is not valid yet") from None
        except (jwt.InvalidAudienceError, jwt.InvalidIssuerError):
            raise invalid("a token of another issuer, or for another service") from None
        except jwt.MissingRequiredClaimError as error:
            raise invalid(f"a token without the claim {error.claim}") from None
        except _UNREADABLE:
            raise invalid("one that is not signed by a known key, or no token") from None
        name, scope = claims["sub"], claims.get("scope", "")
        if not (isinstance(name, str) and 0 < len(name) <= _MOST_NAME_CHARS):
            raise invalid("a token whose sub is no name")
        return Client(name, frozenset(scope.split() if isinstance(scope, str) else ()))

    def _claims(self, token: str) -> dict[str, Any]:
        key = self._key_named(jwt.get_unverified_header(token).get("kid"))
        # The algorithm is the key's: one that the token chooses could turn a public key into a
        # shared secret.
        return jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            issuer=self._issuer,
            audience=self._audience,
            leeway=LEEWAY_S,
            options={"require": ["exp", "sub", "iss", "aud"]},
        )

    def _key_named(self, kid: str | None) -> jwt.PyJWK:
        named = self._keys if kid is None else [key for key in self._keys if key.key_id == kid]
        if len(named) != 1:
            raise jwt.InvalidKeyError(f"expected one key, found {len(named)}")
        return named[0]
