"""Which tokens are taken, whose they are, and what is said of all the others."""

import base64
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from servers.hybrid_gateway.clients import Client, Denied
from servers.hybrid_gateway.features import FeatureError
from servers.hybrid_gateway.tokens import LEEWAY_S, Tokens

ISSUER, AUDIENCE = "https://issuer", "classifier"
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ALGORITHMS = {"RS256": jwt.algorithms.RSAAlgorithm, "ES256": jwt.algorithms.ECAlgorithm}


def jwk(key: Any, algorithm: str, kid: str) -> dict[str, Any]:
    return {**ALGORITHMS[algorithm].to_jwk(key, as_dict=True), "kid": kid, "alg": algorithm}


PUBLIC = json.dumps(
    {"keys": [jwk(RSA.public_key(), "RS256", "r"), jwk(EC.public_key(), "ES256", "e")]}
)


def claims(**changed: Any) -> dict[str, Any]:
    """Those of a good token; None leaves one out."""
    usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": "shop", "exp": time.time() + 3600}
    return {name: value for name, value in {**usual, **changed}.items() if value is not None}


def token(key: Any = EC, algorithm: str = "ES256", kid: str | None = "e", **changed: Any) -> bytes:
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode(claims(**changed), key, algorithm, headers=headers).encode()


def tokens(jwks: str = PUBLIC) -> Tokens:
    return Tokens.parse(jwks, ISSUER, AUDIENCE)


@pytest.mark.parametrize(("key", "algorithm", "kid"), [(RSA, "RS256", "r"), (EC, "ES256", "e")])
def test_a_token_says_whose_it_is_and_what_he_may_do(key: Any, algorithm: str, kid: str) -> None:
    given = token(key, algorithm, kid, scope="predict operations")
    assert tokens().client(given) == Client("shop", frozenset({"predict", "operations"}))


def test_a_token_without_a_scope_may_do_nothing() -> None:
    assert tokens().client(token()).scopes == frozenset()


def test_the_only_key_needs_no_name() -> None:
    only = json.dumps({"keys": [jwk(EC.public_key(), "ES256", "e")]})
    assert tokens(only).client(token(kid=None)).name == "shop"


def test_clocks_may_differ_a_little() -> None:
    assert tokens().client(token(exp=time.time() - LEEWAY_S / 2)).name == "shop"


def _with_header(header: bytes) -> bytes:
    parts = [base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, b"{}", b"x")]
    return b".".join(parts)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (token(exp=time.time() - 60), "a token that has expired"),
        (token(nbf=time.time() + 3600), "a token that is not valid yet"),
        (token(aud="another"), "a token of another issuer, or for another service"),
        (token(iss="https://another"), "a token of another issuer, or for another service"),
        (token(exp=None), "a token without the claim exp"),
        (token(sub=None), "a token without the claim sub"),
        (token(aud=None), "a token without the claim aud"),
        (token(sub=""), "a token whose sub is no name"),
        (token(sub="s" * 129), "a token whose sub is no name"),
        (token(ec.generate_private_key(ec.SECP256R1())), "not signed by a known key"),
        (token(kid="unknown"), "not signed by a known key"),
        (token(kid=None), "not signed by a known key"),
        (token(kid="r"), "not signed by a known key"),
        (token()[:-4], "not signed by a known key"),
        (jwt.encode(claims(), None, "none").encode(), "not signed by a known key"),
        (token("secret" * 8, "HS256", "r"), "not signed by a known key"),
        (_with_header(b"[" * 40_000), "not signed by a known key"),
        (_with_header(b'{"alg": "ES256", "kid": 7}'), "not signed by a known key"),
        (_with_header(b"\xff"), "not signed by a known key"),
        (b"\xff.\xff.\xff", "not signed by a known key"),
        (b"no-token", "not signed by a known key"),
        (b"", "not signed by a known key"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_any_other_token_is_refused_in_words(given: bytes, found: str) -> None:
    with pytest.raises(Denied, match=found) as denied:
        tokens().client(given)
    assert denied.value.status == 401


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused() -> None:
    """The attack on those who let the token choose its algorithm."""
    import hashlib
    import hmac

    from cryptography.hazmat.primitives import serialization

    pem = RSA.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    parts = (json.dumps(part).encode() for part in ({"alg": "HS256", "kid": "r"}, claims()))
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(hmac.digest(pem, signed, hashlib.sha256)).rstrip(b"=")
    with pytest.raises(Denied, match="not signed by a known key"):
        tokens().client(signed + b"." + signature)


@pytest.mark.parametrize(
    ("jwks", "said"),
    [
        ("", "expected jwks to be a JSON Web Key Set"),
        ("[]", "expected jwks to be a JSON Web Key Set"),
        ('{"keys": []}', "expected jwks to be a JSON Web Key Set"),
        ('{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}', "found one for HS256"),
        (json.dumps({"keys": [jwk(EC, "ES256", "mine")]}), "found the private one 'mine'"),
    ],
    ids=["nothing", "a list", "no keys", "a shared secret", "a private key"],
)
def test_a_set_of_other_keys_is_refused_in_words(jwks: str, said: str) -> None:
    with pytest.raises(FeatureError) as refused:
        tokens(jwks)
    assert said in str(refused.value)
