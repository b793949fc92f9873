"""Findings for a person at a terminal, readable at 80 columns."""

from collections import Counter
from collections.abc import Iterator, Sequence
from textwrap import wrap

from rich.text import Text

from servers.triton_service.doctor.explain import Explanation
from servers.triton_service.doctor.findings import SEVERITIES, Finding

COLUMNS = 80
INDENT = "  "
STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}
DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def findings_in_words(findings: Sequence[Finding]) -> Iterator[Text]:
    """A paragraph for each finding, then how many there are. What a rule says in general is said
    at its first finding."""
    explained = set()
    for finding in findings:
        rule, found = finding.rule, finding.found
        place = f" {found.place.file}:{found.place.line}"
        yield Text.assemble((rule.severity, STYLES[rule.severity]), (place, "bold"))
        yield from _wrapped(f"{rule.title} ({rule.id})")
        yield from _wrapped(found.message)
        if rule.id not in explained:
            yield from _wrapped(rule.why, "Why")
            yield from _wrapped(rule.consequence, "Consequence")
            yield from _wrapped(rule.source, "Source")
        explained.add(rule.id)
        for line in found.fix.splitlines():
            yield Text(f"{INDENT * 2}{line}", DIFF_STYLES.get(line[:1], ""))
        yield Text()
    yield Text(in_sum(findings), "bold")


def in_sum(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.rule.severity for finding in findings)
    if not counts:
        return "No findings."
    named = (f"{counts[each]} {each}{'s' * (counts[each] != 1)}" for each in SEVERITIES)
    return f"{', '.join(named)}."


def explanation_in_words(explanation: Explanation) -> Iterator[Text]:
    if not explanation.real:
        yield from _wrapped(
            f"Triton does not say this; guides do. It says: {explanation.instead}", indent=""
        )
    yield from _wrapped(explanation.cause, "Cause", indent="")
    yield from _wrapped(explanation.remedy, "Remedy", indent="")
    if explanation.rules:
        yield from _wrapped(f"{', '.join(explanation.rules)} (study doctor)", "Found by", indent="")
    yield from _wrapped(explanation.source, "Source", indent="")


def _wrapped(text: str, label: str = "", indent: str = INDENT) -> Iterator[Text]:
    said = f"{label}: {text}" if label else text
    for line in wrap(
        said,
        COLUMNS,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,  # a flag or a file name must be there to be copied
        break_long_words=False,
    ):
        yield Text(line)
