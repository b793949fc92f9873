"""Which options of the gateway fit together, and what an operator is told of those that do not."""

import json
import os
import re
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from loadtests.spec.contenders import resolve_contenders
from loadtests.spec.file import read_experiment
from servers.discovery import discover
from servers.http_metrics import Metrics
from servers.hybrid_gateway.__main__ import completed
from servers.hybrid_gateway.equipment import equip
from servers.hybrid_gateway.features import FeatureError, Features

JWT = {"auth": "jwt", "jwks": "{}", "jwt_issuer": "https://a", "jwt_audience": "b"}


def features_of(**options: Any) -> Features:
    return Features.of({**discover()["hybrid"].options, **options})


def test_a_gateway_of_the_study_has_none_of_them() -> None:
    assert features_of() == Features()


def test_every_feature_has_an_option_of_its_name() -> None:
    options = {name.replace("_ms", "_s") for name in discover()["hybrid"].options}
    assert set(asdict(Features())) <= options


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"auth": "basic"}, 'expected auth = "off", "keys" or "jwt", found \'basic\''),
        ({**JWT, "jwt_audience": ""}, "expected jwt_issuer and jwt_audience, found one"),
        ({"workers": 0}, "expected workers of at least 1, found 0"),
        ({"workers": 2, "rate_limits": "1/second"}, "each counts alone"),
        ({"tls_certificate": "/a"}, "expected both tls_certificate and tls_key"),
        ({"tls_certificate": "/none", "tls_key": "/none"}, "found '/none': No such file"),
        ({"access_log": "yes"}, "expected access_log = true or false, found 'yes'"),
        ({"breaker_failures": -1}, "expected breaker_failures to be a whole number"),
        ({"max_at_triton": True}, "expected max_at_triton to be a whole number"),
        ({"auth": "keys", "keys": "env:NOT_SET_HERE"}, "environment variable NOT_SET_HERE"),
        ({"auth": "keys", "keys": "file:/none"}, "expected keys in a readable file"),
    ],
)
def test_an_option_that_cannot_be_met_is_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(FeatureError) as refused:
        features_of(**options)
    assert said in str(refused.value)


def test_secrets_come_from_the_environment_or_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MY_REDIS", "redis://:secret@a:1")
    keys = tmp_path / "keys"
    keys.write_text("the keys")

    found = features_of(auth="keys", keys=f"file:{keys}", limits_storage="env:MY_REDIS")

    assert (found.keys, found.limits_storage) == ("the keys", "redis://:secret@a:1")
    assert "secret" not in repr(found)
    assert "the keys" not in repr(found)


def test_a_certificate_that_is_none_is_refused_before_anything_starts(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    with pytest.raises(FeatureError, match="expected tls_certificate and tls_key to be a PEM"):
        features_of(tls_certificate=str(nonsense), tls_key=str(nonsense))


def test_keys_are_not_looked_for_where_nobody_needs_any() -> None:
    assert "GATEWAY_KEYS" not in os.environ
    assert features_of(auth="off").keys == ""


def test_a_pipe_instead_of_a_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FeatureError, match="it is no regular file"):
        features_of(auth="keys", keys=f"file:{tmp_path / 'pipe'}")


def test_the_gateway_refuses_to_start_in_one_sentence(refusal: Any) -> None:
    code, said = refusal("hybrid", rate_limits="often")
    assert code == 2
    assert said == "expected limits such as \"20/second; 600/minute\", found 'often'."


def test_an_option_that_does_not_exist_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        completed({"rate_limit": "1/second"})
    assert ended.value.code == 2
    assert "found 'rate_limit': correct it." in capsys.readouterr().err


def test_whoever_starts_a_gateway_gives_only_what_he_changes() -> None:
    assert completed({"workers": 2}) == {**discover()["hybrid"].options, "workers": 2}


def test_every_option_is_documented_with_its_default(root: Path) -> None:
    page = (root / "docs" / "gateway.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| `([^`]+)` \|", page, re.MULTILINE)
    documented = {name: said for names, said in rows for name in re.findall(r"`(\w+)`", names)}
    with (root / "servers" / "hybrid_gateway" / "server.toml").open("rb") as file:
        options = tomllib.load(file)["contenders"]["hybrid"]["options"]
    assert documented == {name: json.dumps(value) for name, value in options.items()}


def test_every_gateway_of_the_experiment_on_features_can_be_had() -> None:
    contenders = resolve_contenders(read_experiment(Path("gateway")))
    for contender in contenders.values():
        if contender.server == "hybrid_gateway":
            equip(Features.of(contender.options), Metrics())
    everything = Features.of(contenders["hybrid-full"].options)
    assert everything.auth == "keys"
    assert contenders["hybrid-full"].headers == {"authorization": "Bearer key-of-the-study"}
