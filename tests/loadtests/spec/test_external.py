"""External contenders: their tables, and services of another shape behind real sockets."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from loadtests.generator.schedule import Schedule, closed_schedule
from loadtests.generator.slice_order import ANSWER_SAMPLE_EVERY
from loadtests.launch.artefacts import Artefacts
from loadtests.launch.parity import (
    OWN_TEXTS,
    ExpectedAnswers,
    answers_before_load,
    check_answers,
    expected_answers,
)
from loadtests.launch.server import LaunchError, check_answering, launched
from loadtests.spec.contenders import resolve_contenders
from loadtests.spec.external import ExternalContender, describe_load
from loadtests.spec.file import SpecError, read_experiment
from loadtests.wire.probe import ProbeError, open_probe, settled_counters
from loadtests.wire.texts import TrafficText
from servers.discovery import ContenderError

EXPERIMENT = """
name = "tiny"
reference = "null-http"
contenders = ["null-http", "mine"]
[load]
rates_rps = [20, 10]
[[external]]
name = "mine"
"""

JSON_TABLE = {
    "protocol": "http-json",
    "url": "http://127.0.0.1:9",
    "path": "/v1/classify",
    "body": '{"inputs": ["{text}"]}',
    "label": "predictions[0].label",
    "compare": False,
    "components": ["service", "model"],
}

KSERVE_TABLE = {
    "protocol": "kserve-grpc",
    "url": "127.0.0.1:9",
    "model": "text_classifier",
    "text_input": "TEXT",
    "label": "LABEL",
    "confidence": "CONFIDENCE",
    "compare": True,
    "components": ["server", "stub", "repository", "network"],
}

TEXTS = [TrafficText(k, f"text {k}", 4, "elsewhere", 0.5) for k in range(50)]


@pytest.fixture
def experiment_file(tmp_path: Path) -> Callable[..., Path]:
    """An experiment with one external table, the changes applied to it; None takes a key out."""

    def write(table: dict[str, Any] = JSON_TABLE, **changes: object) -> Path:
        path = tmp_path / "experiment.toml"
        entries = {key: value for key, value in {**table, **changes}.items() if value is not None}
        lines = [f"{key} = {_toml(value)}" for key, value in entries.items()]
        path.write_text(EXPERIMENT + "\n".join(lines), encoding="utf-8")
        return path

    return write


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {_toml(entry)}' for key, entry in value.items()) + "}"
    return json.dumps(value)


@pytest.fixture
def external(experiment_file) -> Callable[..., ExternalContender]:
    def make(table: dict[str, Any] = JSON_TABLE, **changes: object) -> ExternalContender:
        found = resolve_contenders(read_experiment(experiment_file(table, **changes)))["mine"]
        assert isinstance(found, ExternalContender)
        return found

    return make


def test_the_experiment_that_comes_with_the_study_is_valid(root: Path) -> None:
    experiment = read_experiment(root / "loadtests/experiments/external.toml")
    assert [service.protocol for service in experiment.external] == [
        "http-json",
        "kserve-grpc",
        "http-json",
    ]
    assert resolve_contenders(experiment)["my-service"].engine == "external"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"url": "https://127.0.0.1:9"}, "https:// is not supported"),
        ({"url": "http://127.0.0.1"}, "expected http://HOST:PORT or HOST:PORT"),
        ({"components": 2}, "components"),
        ({"components": []}, "components"),
        ({"url": "http://127.0.0.1:9/v1"}, "expected http://HOST:PORT or HOST:PORT"),
        ({"url": "ftp://127.0.0.1:9"}, "expected http://HOST:PORT or HOST:PORT"),
        ({"url": "http://a:b@127.0.0.1:9"}, "expected http://HOST:PORT or HOST:PORT"),
        ({"url": "http://127.0.0.1:99999"}, "external.0.http-json.url"),
        ({"body": '{"inputs": {text}}'}, 'expected JSON with "{text}" as one of its strings'),
        ({"body": '{"inputs": "text"}'}, 'expected JSON with "{text}" as one of its strings'),
        ({"path": "v1"}, "external.0.http-json.path"),
        ({"label": None}, "label is missing; add it (loadtests/experiments/external.toml"),
        ({"compare": None}, "compare is missing"),
        ({"lable": "x"}, "lable is not a setting of an experiment; did you mean 'label'?"),
        ({"protocol": "soap"}, "external.0: expected protocol to be http-json, kserve-http or"),
        ({"protocol": None}, "external.0: expected protocol to be http-json, kserve-http or"),
        ({"headers": {"Host": "x"}}, "that the client does not set itself, found 'host'"),
        ({"headers": {"x y": "z"}}, "found 'x y'"),
        ({"headers": {"x": "a\nb"}}, "one line of printable ASCII in header 'x'"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_one_sentence(
    experiment_file, changes: dict[str, object], expected: str
) -> None:
    with pytest.raises(SpecError) as caught:
        read_experiment(experiment_file(**changes))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_that_a_contender_has_is_refused(tmp_path: Path, experiment_file) -> None:
    path = experiment_file()
    path.write_text(path.read_text().replace('"mine"', '"triton"'))
    with pytest.raises(SpecError, match="expected a name that no other contender has"):
        read_experiment(path)


def test_another_machine_is_loaded_only_where_its_host_was_written_twice(experiment_file) -> None:
    far = "http://classify.example.com:80"
    with pytest.raises(SpecError, match='expected i_may_load_this = "classify.example.com"'):
        read_experiment(experiment_file(url=far))
    with pytest.raises(SpecError, match="found 'clasify.example.com'"):
        read_experiment(experiment_file(url=far, i_may_load_this="clasify.example.com"))
    read_experiment(experiment_file(url=far, i_may_load_this="classify.example.com"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost"])
def test_a_service_on_this_machine_needs_no_confirmation(experiment_file, host: str) -> None:
    read_experiment(experiment_file(url=f"http://{host}:9"))


def test_an_external_service_cannot_calibrate_the_client(experiment_file) -> None:
    path = experiment_file()
    path.write_text(path.read_text() + '\n[calibration]\ncontenders = ["mine"]\n')
    with pytest.raises(SpecError, match=r"calibration.contenders names 'mine'"):
        read_experiment(path)


def test_the_load_is_told_before_it_is_sent(experiment_file) -> None:
    experiment = read_experiment(experiment_file())
    mine = resolve_contenders(experiment)["mine"]
    assert isinstance(mine, ExternalContender)
    assert describe_load(mine, experiment.load_in_words) == (
        "mine: this load goes to http://127.0.0.1:9/v1/classify: 20 requests/s, 10 requests/s"
    )


def test_a_service_is_used_as_it_runs_and_left_running(foreign, external, tmp_path: Path) -> None:
    mine = external(url=foreign.url)
    with launched(mine, model_dir=tmp_path, cores=(), log=tmp_path / "log") as server:
        assert (server.pid, server.startup_s, server.alive()) == (None, None, True)
        assert server.log_tail() == ()
        assert settled_counters(server.address, within_s=1) is None
    check_answering([mine])


def test_a_text_reaches_the_service_as_it_is(foreign, external) -> None:
    text = 'say "no"\n退款 🙂 \\ {text}'
    with open_probe(external(url=foreign.url).address) as probe:
        assert probe.predict(text).label == f"class of {text}"


def test_a_service_that_is_not_there_is_named(external) -> None:
    with pytest.raises(LaunchError) as caught:
        check_answering([external()])
    assert "mine at http://127.0.0.1:9: expected an answer, found ConnectionRefused" in str(
        caught.value
    )
    assert "start the service, or correct its [[external]] table." in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "reply", "expected"),
    [
        (
            {"label": "predictions[0].name"},
            None,
            'expected something at `predictions[0].name` of the answer, found {"predictions"',
        ),
        ({"confidence": "predictions[0].label"}, None, "expected a number at `predictions[0].l"),
        ({"path": "/v2"}, None, "expected HTTP 200 from POST /v2, found 404: no such page"),
        (
            {},
            (302, {"location": "https://127.0.0.1/v1/classify"}, b""),
            "found 302: a redirect to https://127.0.0.1/v1/classify",
        ),
        ({}, (200, {}, b"<html>hello"), "expected JSON, found <html>hello"),
    ],
)
def test_what_was_expected_and_what_came_is_told(
    foreign, external, changes: dict[str, object], reply: Any, expected: str
) -> None:
    foreign.reply = reply
    with pytest.raises(LaunchError) as caught:
        check_answering([external(url=foreign.url, **changes)])
    assert str(caught.value).startswith(f"mine at {foreign.url}: ")
    assert expected in str(caught.value)


def test_a_header_takes_its_value_from_the_environment_and_an_echo_of_it_is_blotted_out(
    foreign, external, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = external(url=foreign.url, headers={"Authorization": "env:STUDY_TEST_TOKEN"})
    monkeypatch.delenv("STUDY_TEST_TOKEN", raising=False)
    with pytest.raises(LaunchError, match="expected the environment variable STUDY_TEST_TOKEN"):
        check_answering([mine])
    monkeypatch.setenv("STUDY_TEST_TOKEN", "Bearer t0p-s3cret")
    check_answering([mine])
    headers, _ = foreign.seen[-1]
    assert headers["authorization"] == "Bearer t0p-s3cret"
    foreign.reply = (401, {}, b"t0p-s3cret is not a token")
    with pytest.raises(LaunchError) as caught:
        check_answering([mine])
    assert "found 401: *** is not a token" in str(caught.value)


def open_schedule(n: int) -> Schedule:
    return Schedule(np.arange(n, dtype=float), np.arange(n, dtype=np.int32) % len(TEXTS))


def rows_answered(
    expected: ExpectedAnswers, label_of: Callable[[TrafficText], str]
) -> pd.DataFrame:
    texts = list(expected.expected.values())
    return pd.DataFrame(
        {
            "text_id": [text.text_id for text in texts],
            "label": [label_of(text) for text in texts],
            "confidence": [float("nan") for _ in texts],
        }
    )


def test_a_service_with_its_own_model_is_asked_what_the_load_will_sample(foreign, external) -> None:
    mine = external(url=foreign.url)
    assert expected_answers(mine, TEXTS) == []
    schedule = open_schedule(2000)
    sampled = schedule.text_ids[::ANSWER_SAMPLE_EVERY].tolist()
    expected = answers_before_load(mine.address, schedule, TEXTS, timeout_s=10)
    n_texts = len(expected.expected)
    assert 20 < n_texts <= OWN_TEXTS
    assert expected.expected.keys() <= set(sampled)
    record = expected.judge(rows_answered(expected, lambda text: text.label))
    assert (record.checked, record.mismatches, record.against) == (2 * n_texts, 0, "consistency")
    changed = expected.judge(rows_answered(expected, lambda _: "another"))
    assert changed.mismatches == n_texts
    assert "text 0: class of text 0 before, another later" in str(changed.example)


def test_a_closed_loop_is_sampled_from_its_beginning(foreign, external) -> None:
    address, schedule = external(url=foreign.url).address, closed_schedule(len(TEXTS), (1,))
    expected = answers_before_load(address, schedule, TEXTS, timeout_s=10)
    assert set(schedule.text_ids[[0, 19, 38]].tolist()) <= set(expected.expected)


def test_a_service_that_changes_its_mind_before_the_load_is_inconsistent(foreign, external) -> None:
    foreign.label_of = lambda _: f"answer {len(foreign.seen)}"
    address = external(url=foreign.url).address
    expected = answers_before_load(address, open_schedule(100), TEXTS, timeout_s=10)
    assert expected.judge(pd.DataFrame(columns=["text_id", "label", "confidence"])).mismatches == 6


def test_a_service_with_the_same_model_is_compared_with_the_reference_answers(
    foreign, external
) -> None:
    mine = external(url=foreign.url, compare=True)
    foreign.label_of = lambda text: "elsewhere" if text != "text 3" else "wrong"
    compared = check_answers(mine.address, expected_answers(mine, TEXTS))
    assert [pair.text.text_id for pair in compared if not pair.agrees(0.001)] == [3]


@pytest.fixture(scope="module")
def triton_ports(start_contender: Callable[..., Any]) -> dict[str, int]:
    """Those of one Triton for both protocols."""
    started = start_contender("triton-http")
    started.when(lambda: "triton ready:" in started.log_text())
    return {"http": started.ports.main, "grpc": started.ports.extra["grpc"]}


@pytest.mark.parametrize("protocol", ["kserve-http", "kserve-grpc"])
def test_a_real_triton_answers_as_an_external_service(
    protocol: str, triton_ports, artefacts: Artefacts, external
) -> None:
    port = triton_ports["grpc" if protocol == "kserve-grpc" else "http"]
    mine = external(KSERVE_TABLE, protocol=protocol, url=f"127.0.0.1:{port}")
    compared = check_answers(mine.address, expected_answers(mine, artefacts.texts))
    assert len(compared) > 10
    assert [pair for pair in compared if not pair.agrees(0.001)] == []
    assert all(pair.confidence_gap is not None for pair in compared)


@pytest.mark.parametrize("protocol", ["kserve-http", "kserve-grpc"])
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"model": "nobody"}, "unknown model: 'nobody' is not found"),
        ({"label": "KIND"}, "KIND"),
        ({"text_input": "WORDS"}, "WORDS"),
    ],
)
def test_a_name_that_triton_does_not_know_is_told(
    protocol: str, changes: dict[str, object], expected: str, triton_ports, external
) -> None:
    port = triton_ports["grpc" if protocol == "kserve-grpc" else "http"]
    url = f"127.0.0.1:{port}"
    with pytest.raises(LaunchError) as caught:
        check_answering([external(KSERVE_TABLE, protocol=protocol, url=url, **changes)])
    assert expected in str(caught.value)


def test_a_probe_error_of_a_contender_of_the_study_needs_no_name(null_server) -> None:
    address = replace(null_server("null-http").address, port=9)
    with (
        pytest.raises(ProbeError, match="^expected an answer, found"),
        open_probe(address) as probe,
    ):
        probe.predict("x")


def test_an_external_contender_is_no_base_of_a_variant(experiment_file) -> None:
    path = experiment_file()
    path.write_text(path.read_text() + '\n[[variants]]\nname = "v"\nbase = "mine"\noptions = {}\n')
    with pytest.raises((SpecError, ContenderError), match=r"variants.base names 'mine'"):
        read_experiment(path)
