"""The claims of the two documents beside what runs measured, as Markdown.

`python -m analysis.report.claims_page FILE.md RUN [RUN ...]` writes the table between its two
markers; of several runs each claim shows the readings of every run that measures it. A folder of
`study colocate` counts as a run.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from analysis.claims.catalogue import BY_ID, CLAIMS
from analysis.claims.judge import ClaimFound, Quantity, judge
from analysis.claims.pairs import between
from analysis.colocation.losses import colocation
from analysis.colocation.record import read_colocation
from analysis.read.run import load_run
from analysis.report.summary import summarise
from analysis.report.words.claims import measured, reading, unmet, verdict
from loadtests.records.markdown import code, inline, table

BEGIN, END = "<!-- claims: begin -->", "<!-- claims: end -->"


def claims_of(folder: Path) -> list[ClaimFound]:
    """Every claim with what the run in this folder, or the models in one Triton, measured of it."""
    if not (folder / "colocation.json").exists():
        return summarise(load_run(folder)).claims
    on_gpu = read_colocation(folder)["settings"]["device"] == "cuda"
    losses = [
        between(
            *(Quantity.RATE_LOST, a.together.model, (a.low, a.loss, a.high)),
            beside=list(a.together.group),
        )
        for a in colocation(folder).losses
    ]
    return [
        judge(claim, losses if on_gpu else [], () if on_gpu else claim.needs)
        if claim.id == "sharing"
        else judge(claim, [])
        for claim in CLAIMS
    ]


def claims_table(by_run: Mapping[str, Sequence[ClaimFound]]) -> str:
    """One row a claim and run that measures it, then what measures the others."""
    found = [
        (claim, run)
        for claims in zip(*by_run.values(), strict=True)
        for claim, run in zip(claims, by_run, strict=True)
    ]
    answered = {claim.id for claim, _ in found if claim.readings}
    reasons = {
        claim.id: f" Not testable here, because {unmet(claim)}."
        for claim, _ in found
        if claim.unmet
    }
    others = [claim for claim in CLAIMS if claim.id not in answered]
    header = ["claim", "where", "fair only if", "measured", "verdict", "run"]
    rows = table(header, (_row(claim, run) for claim, run in found if claim.readings))
    rest = [f"* {c.text} ({c.where}): {c.how}.{reasons.get(c.id, '')}" for c in others]
    return "\n\n".join([rows, "Not measured yet, and what would:", "\n".join(rest)])


def with_table(text: str, table: str) -> str:
    """text with what stands between the markers replaced by the table."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def _row(claim: ClaimFound, run: str) -> list[str]:
    claimed = BY_ID[claim.id]
    values = "<br>".join(f"{inline(measured(r))}: {reading(r, claim.unit)}" for r in claim.readings)
    stated = [claimed.text, claimed.where, claimed.conditions]
    return [*stated, values, f"**{verdict(claim)}**", code(run)]


def main(path: Path, run_dirs: Sequence[Path]) -> None:
    by_run = {folder.name: claims_of(folder) for folder in run_dirs}
    text = path.read_text(encoding="utf-8")
    path.write_text(with_table(text, claims_table(by_run)), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(
            "expected FILE.md and RUN: python -m analysis.report.claims_page FILE.md results/RUN"
        )
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
