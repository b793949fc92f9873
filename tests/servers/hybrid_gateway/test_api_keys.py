"""Whose key it is, how keys are written down, and what is said of lines that hold none."""

import subprocess
import sys

import pytest

from servers.hybrid_gateway.api_keys import ApiKeys, digest_of
from servers.hybrid_gateway.clients import Client, Denied, credential_in, require
from servers.hybrid_gateway.features import FeatureError
from servers.hybrid_gateway.new_key import new_key


def line(name: str, key: str, scopes: str = "") -> str:
    return f"{name} {digest_of(key.encode()).hex()} {scopes}"


def test_a_key_is_its_clients() -> None:
    keys = ApiKeys.parse("\n".join([line("shop", "a"), line("bank", "b", "predict,operations")]))
    assert keys.client(b"a") == Client("shop", frozenset({"predict"}))
    assert keys.client(b"b") == Client("bank", frozenset({"predict", "operations"}))


def test_a_client_has_two_keys_while_one_replaces_the_other() -> None:
    keys = ApiKeys.parse(f"{line('shop', 'old')}  # until Friday\n\n{line('shop', 'new')}")
    assert keys.client(b"old") == keys.client(b"new")


def test_semicolons_part_keys_in_an_environment_variable() -> None:
    keys = ApiKeys.parse(f"{line('shop', 'a')}; {line('bank', 'b')}")
    assert keys.client(b"b").name == "bank"


@pytest.mark.parametrize("key", [b"", b"A", b"a ", b"\xff" * 4096, digest_of(b"a")])
def test_any_other_key_is_nobodys(key: bytes) -> None:
    with pytest.raises(Denied) as denied:
        ApiKeys.parse(line("shop", "a")).client(key)
    assert denied.value.status == 401


def test_every_entry_is_compared_whichever_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(known: bytes, given: bytes) -> bool:
        compared.append(known)
        return known == given

    keys = ApiKeys.parse("\n".join(line(f"client-{k}", f"key-{k}") for k in range(5)))
    monkeypatch.setattr("servers.hybrid_gateway.api_keys.hmac.compare_digest", compare)
    assert keys.client(b"key-0").name == "client-0"
    assert len(compared) == 5


@pytest.mark.parametrize(
    "text",
    ["", "# nobody", "shop", "shop my-secret-key", f"shop {'A' * 64}", f"sh/op {'a' * 64}"]
    + [f"shop {'a' * 64} predict operations"],
)
def test_lines_without_a_key_are_refused_and_not_shown(text: str) -> None:
    with pytest.raises(FeatureError) as refused:
        ApiKeys.parse(text)
    assert "NAME SHA256 [SCOPE,SCOPE]" in str(refused.value)
    assert "my-secret-key" not in str(refused.value)


def test_a_scope_that_does_not_exist_is_named() -> None:
    with pytest.raises(FeatureError, match="for 'shop', found 'admin'"):
        ApiKeys.parse(line("shop", "a", "predict,admin"))


def test_a_new_key_is_the_one_of_its_line() -> None:
    key, entry = new_key("shop", "operations")
    assert ApiKeys.parse(entry).client(key.encode()) == Client("shop", frozenset({"operations"}))
    assert key not in entry
    assert new_key("shop")[0] != key


def test_the_program_shows_a_new_key_and_its_line() -> None:
    program = [sys.executable, "-m", "servers.hybrid_gateway.new_key"]
    shown = subprocess.run([*program, "shop"], capture_output=True, text=True)
    key, entry = (each.split(": ", 1)[1] for each in shown.stdout.splitlines())
    assert ApiKeys.parse(entry).client(key.encode()).name == "shop"

    wrong = subprocess.run([*program, "the shop"], capture_output=True, text=True)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    "headers",
    [
        [(b"authorization", b"Bearer k")],
        [(b"authorization", b"bearer  k ")],
        [(b"x-api-key", b" k")],
    ],
)
def test_a_credential_comes_in_one_of_two_headers(headers: list[tuple[bytes, bytes]]) -> None:
    assert credential_in([(b"host", b"a"), *headers]) == b"k"


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], "found none"),
        ([(b"authorization", b"Basic k")], "found another scheme"),
        ([(b"authorization", b"Bearer")], "found another scheme"),
        ([(b"authorization", b"Bearer k"), (b"x-api-key", b"k")], "found several"),
        ([(b"x-api-key", b"k"), (b"x-api-key", b"l")], "found several"),
    ],
)
def test_no_credential_and_two_of_them_are_refused(
    headers: list[tuple[bytes, bytes]], found: str
) -> None:
    with pytest.raises(Denied, match=found) as denied:
        credential_in(headers)
    assert denied.value.status == 401


def test_a_client_who_may_do_something_else_is_forbidden() -> None:
    with pytest.raises(Denied) as denied:
        require(Client("shop", frozenset({"predict"})), "operations")
    assert denied.value.status == 403
    assert denied.value.challenge == 'error="insufficient_scope", scope="operations"'
