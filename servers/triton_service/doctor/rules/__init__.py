"""The rules: what each says stands in a TOML file, how it is found in the function of its name.

A rule `version-folder` of layout.toml is checked by layout.version_folder.
"""

import tomllib
from pathlib import Path
from types import ModuleType

from servers.triton_service.doctor.findings import SEVERITIES, Finding, Rule
from servers.triton_service.doctor.inspected import Inspected
from servers.triton_service.doctor.rules import (
    batching,
    client,
    configuration,
    deployment,
    image,
    layout,
    placement,
    request,
    running,
    shapes,
    tensorrt,
)

GROUPS = (
    layout,
    configuration,
    shapes,
    batching,
    placement,
    tensorrt,
    image,
    deployment,
    client,
    request,
    running,
)


def _read(group: ModuleType) -> list[Rule]:
    text = Path(str(group.__file__)).with_suffix(".toml").read_text(encoding="utf-8")
    return [
        Rule(id=name, check=getattr(group, name.replace("-", "_")), **said)
        for name, said in tomllib.loads(text).items()
    ]


RULES: tuple[Rule, ...] = tuple(rule for group in GROUPS for rule in _read(group))


def examine(inspected: Inspected) -> list[Finding]:
    """Every finding once, the worst first, then by place."""
    findings: dict[tuple[object, ...], Finding] = {}
    for rule in RULES:
        for found in rule.check(inspected):
            key = (rule.id, found.place, found.message)
            findings.setdefault(key, Finding(rule, found))

    def order(finding: Finding) -> tuple[int, str, int, str]:
        place = finding.found.place
        return SEVERITIES.index(finding.rule.severity), place.file, place.line, finding.rule.id

    return sorted(findings.values(), key=order)
