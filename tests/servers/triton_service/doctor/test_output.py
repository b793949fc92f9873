"""What programs and people are told."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from servers.triton_service.doctor.explain import explanations
from servers.triton_service.doctor.findings import Finding
from servers.triton_service.doctor.in_words import (
    COLUMNS,
    explanation_in_words,
    findings_in_words,
    in_sum,
)
from servers.triton_service.doctor.output import as_json, as_sarif
from servers.triton_service.doctor.rules import RULES


@pytest.fixture
def findings(
    healthy: Any, write: Callable[[Any], None], examined: Callable[[Any], list[Finding]]
) -> list[Finding]:
    world = healthy.replacing("models/bert/config.pbtxt", '"bert"', '"other"').replacing(
        "models/bert/config.pbtxt", "count: 1", "count: 4"
    )
    write(world)
    return examined(world)


def test_json_has_every_finding_with_all_that_is_known_of_it(findings: list[Finding]) -> None:
    told = json.loads(as_json(findings))
    assert told["schema"] == 1
    assert told["counts"] == {"error": 1, "warning": 1, "note": 0}
    assert [each["rule"] for each in told["findings"]] == ["model-name", "thread-oversubscription"]
    first = told["findings"][0]
    assert set(first) == {
        *("rule", "severity", "title", "file", "line", "message", "why", "consequence"),
        *("fix", "source"),
    }
    assert (first["file"], first["line"]) == ("models/bert/config.pbtxt", 1)
    assert '+name: "bert"' in first["fix"]


def test_sarif_has_the_rules_and_a_place_for_each_result(findings: list[Finding]) -> None:
    told = json.loads(as_sarif(findings, RULES))
    assert told["version"] == "2.1.0"
    (run,) = told["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [rule.id for rule in RULES]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        (location,) = result["locations"]
        assert location["physicalLocation"]["region"]["startLine"] >= 1
    uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "models/bert/config.pbtxt"


def test_words_fit_into_eighty_columns(findings: list[Finding]) -> None:
    lines = [line.plain for line in findings_in_words(findings)]
    assert lines[0] == "error models/bert/config.pbtxt:1"
    assert lines[1] == "  The configured name is not the folder's (model-name)"
    assert lines[-1] == "1 error, 1 warning, 0 notes."
    assert [line for line in lines if len(line) > COLUMNS] == []
    for explanation in explanations():
        assert all(len(line.plain) <= COLUMNS for line in explanation_in_words(explanation))


def test_nothing_found_is_said() -> None:
    assert in_sum([]) == "No findings."
    assert json.loads(as_json([]))["findings"] == []
