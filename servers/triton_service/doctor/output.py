"""Findings for programs: JSON of this project's own, and SARIF 2.1.0."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from servers.triton_service.doctor.explain import Explanation
from servers.triton_service.doctor.findings import SEVERITIES, Finding, Rule

SCHEMA = 1
SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_json(findings: Sequence[Finding]) -> str:
    """Fields are only ever added within a schema."""
    counts = Counter(finding.rule.severity for finding in findings)
    return _text(
        {
            "schema": SCHEMA,
            "counts": {severity: counts[severity] for severity in SEVERITIES},
            "findings": [
                {
                    "rule": finding.rule.id,
                    "severity": finding.rule.severity,
                    "title": finding.rule.title,
                    "file": finding.found.place.file,
                    "line": finding.found.place.line,
                    "message": finding.found.message,
                    "why": finding.rule.why,
                    "consequence": finding.rule.consequence,
                    "fix": finding.found.fix or None,
                    "source": finding.rule.source,
                }
                for finding in findings
            ],
        }
    )


def as_sarif(findings: Sequence[Finding], rules: Sequence[Rule]) -> str:
    """One run, with every rule that was checked; a fix stands in a result's properties."""
    index = {rule.id: k for k, rule in enumerate(rules)}
    driver = {
        "name": "study doctor",
        "rules": [
            {
                "id": rule.id,
                "shortDescription": {"text": rule.title},
                "fullDescription": {"text": rule.why},
                "help": {"text": f"{rule.consequence}\n\nSource: {rule.source}"},
                "defaultConfiguration": {"level": rule.severity},
            }
            for rule in rules
        ],
    }
    results = [
        {
            "ruleId": finding.rule.id,
            "ruleIndex": index[finding.rule.id],
            "level": finding.rule.severity,
            "message": {"text": f"{finding.rule.title}: {finding.found.message}"},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": _uri(finding.found.place.file)},
                        "region": {"startLine": finding.found.place.line},
                    }
                }
            ],
            "properties": {"fix": finding.found.fix} if finding.found.fix else {},
        }
        for finding in findings
    ]
    run = {"tool": {"driver": driver}, "results": results}
    return _text({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]})


def explanation_as_json(explanation: Explanation) -> str:
    return _text(
        {
            "schema": SCHEMA,
            "message": explanation.id,
            "real": explanation.real,
            "instead": explanation.instead or None,
            "cause": explanation.cause,
            "remedy": explanation.remedy,
            "rules": list(explanation.rules),
            "source": explanation.source,
        }
    )


def _uri(file: str) -> str:
    if "://" in file:
        return file
    return Path(file).as_uri() if Path(file).is_absolute() else quote(file)


def _text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
