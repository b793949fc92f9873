"""A judged statement in words."""

from collections import Counter
from collections.abc import Sequence

from analysis.claims.catalogue import BY_ID
from analysis.claims.judge import ClaimFound, Condition
from analysis.claims.statements import Document, Judged, JudgedBy, StatementVerdict
from analysis.report.words.claims import measured, reading
from analysis.report.words.codes import said

DOCUMENTS = {
    Document.GUIDE: "production guide",
    Document.SELECTION: "selection study",
    Document.BOTH: "both documents",
}
WAYS = {
    JudgedBy.MEASUREMENT: "measurement by this study",
    JudgedBy.SERVER: "behaviour of the real server or its client",
    JudgedBy.DOCUMENTATION: "documentation",
    JudgedBy.OPINION: "opinion",
}
_NEEDS = {
    Condition.GPU: "it needs a GPU",
    Condition.ROOM: "it needs an engine with room at batch 1 (measured alone, batches make it at "
    "least twice as fast)",
}
_COUNTED = {
    StatementVerdict.HOLDS: ("holds", "hold"),
    StatementVerdict.CONDITIONAL: ("holds with conditions", "hold with conditions"),
    StatementVerdict.FALSE: ("is false", "are false"),
    StatementVerdict.NOT_TESTABLE: ("is not testable here", "are not testable here"),
    StatementVerdict.OPINION: ("is an opinion", "are opinions"),
    StatementVerdict.UNDECIDED: ("lacks evidence", "lack evidence"),
}


def counts(judged: Sequence[Judged]) -> str:
    """How many of them there are by verdict: 112 statements: 40 hold, 1 is false, ..."""
    found = Counter(each.verdict for each in judged)
    parts = [f"{found[v]} {_COUNTED[v][found[v] != 1]}" for v in StatementVerdict if found[v]]
    return f"{len(judged)} statements: {', '.join(parts)}."


def ways(judged: Sequence[Judged]) -> str:
    """How many of them are judged in which way."""
    found = Counter(each.statement.judged_by for each in judged)
    return "; ".join(f"{WAYS[way]}: {found[way]}" for way in JudgedBy if found[way])


def verdict(judged: Judged) -> str:
    """The verdict, with the reason where the statement is not testable here."""
    why = because(judged)
    return f"{said(judged.verdict)}, because {why}" if why else said(judged.verdict)


def because(judged: Judged) -> str:
    """Why it is not testable here; empty: it is."""
    if judged.verdict is not StatementVerdict.NOT_TESTABLE:
        return ""
    needs = "; ".join(_NEEDS[condition] for condition in judged.unmet)
    how = " or ".join(dict.fromkeys(BY_ID[name].how for name in judged.statement.claims))
    return judged.statement.because or needs or f"no run given measures it (what would: {how})"


def evidence(judged: Judged) -> list[str]:
    """What the verdict rests on, in sentences: readings, what the server did, what is written."""
    found = [_readings(run, claim) for run, claim in judged.measured]
    for check in judged.checks:
        mark = "Expected" if check.as_expected else "Not as expected"
        found.append(f"{mark}: {check.expected}; found: {check.found.removesuffix('.')}.")
    statement = judged.statement
    if statement.judged_by is JudgedBy.SERVER and not found:
        found.append("Its checks have not been run.")
    if statement.evidence:
        found.append(statement.evidence)
    if statement.source:
        found.append(f"Source: {statement.source}.")
    return found


def correction(judged: Judged) -> str:
    """What the corrected statement is called: of one that holds, it only says more."""
    return "more exactly" if judged.verdict is StatementVerdict.HOLDS else "corrected"


def _readings(run: str, claim: ClaimFound) -> str:
    figures = "; ".join(f"{measured(r)}: {reading(r, claim.unit)}" for r in claim.readings)
    return f'{run}, "{BY_ID[claim.id].text}" ({said(claim.verdict)}): {figures}.'
