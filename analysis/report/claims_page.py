"""All statements of the two documents with verdict and evidence, as Markdown.

`python -m analysis.report.claims_page FILE.md [RUN ...]` writes them between its two markers, by
what these runs measured; by default the committed reference runs. A folder of `study colocate`
counts as a run.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from analysis.claims.catalogue import CLAIMS
from analysis.claims.judge import ClaimFound, Quantity, judge
from analysis.claims.pairs import between
from analysis.claims.questions import checks_of
from analysis.claims.statements import Chapter, Judged, judge_statement, read_chapters
from analysis.colocation.losses import colocation
from analysis.colocation.record import read_colocation
from analysis.read.run import load_run
from analysis.report.summary import summarise
from analysis.report.words import statements as words
from loadtests.records.behaviour import Behaviour, read_behaviour
from loadtests.records.markdown import inline, write_section
from loadtests.records.questions import read_questions

SECTION = "claims"
RESULTS = Path(__file__).parents[2] / "results"
REFERENCE_RUNS = ("reference-cpu-2core", "reference-engine-share-cpu-2core")
BEHAVIOUR = RESULTS / "reference-triton-behaviour" / "behaviour.json"
QUESTIONS = RESULTS / "reference-triton-questions" / "questions.json"


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


def behaviour_found() -> Behaviour | None:
    """What the committed checks of the real server found, and the answers to the committed
    questions; None: no checks are committed."""
    if not BEHAVIOUR.exists():
        return None
    found = read_behaviour(BEHAVIOUR)
    more = checks_of(read_questions(QUESTIONS)) if QUESTIONS.exists() else []
    return found.model_copy(update={"findings": [*found.findings, *more]})


def judged_chapters(
    chapters: Sequence[Chapter],
    by_run: Mapping[str, Sequence[ClaimFound]],
    behaviour: Behaviour | None,
) -> list[tuple[Chapter, list[Judged]]]:
    """Every statement by these runs and these checks."""
    checks = behaviour.findings if behaviour else []
    return [
        (chapter, [judge_statement(each, by_run, checks) for each in chapter.statements])
        for chapter in chapters
    ]


def claims_page(by_run: Mapping[str, Sequence[ClaimFound]], behaviour: Behaviour | None) -> str:
    """How many statements there are of each verdict, then all of them by chapter."""
    chapters = judged_chapters(read_chapters(), by_run, behaviour)
    everything = [each for _, judged in chapters for each in judged]
    return "\n\n".join([*_head(everything, by_run, behaviour), *map(_chapter, chapters)])


def _head(
    everything: Sequence[Judged], runs: Mapping[str, object], behaviour: Behaviour | None
) -> Iterator[str]:
    yield f"**{words.counts(everything)}** By the way of judging: {words.ways(everything)}."
    yield f"Measured: {', '.join(f'`{run}`' for run in runs) or 'no run'}."
    if behaviour:
        yield (
            f"Server: Triton {inline(behaviour.triton)} with tritonclient "
            f"{inline(behaviour.tritonclient)}, {behaviour.created_at[:10]}, "
            f"{inline(behaviour.machine)}."
        )


def _chapter(found: tuple[Chapter, Sequence[Judged]]) -> str:
    chapter, judged = found
    numbers = [each.statement.number for each in judged]
    heading = f"## {chapter.title} ({numbers[0]} to {numbers[-1]})"
    return "\n".join([heading, "", *map(_item, judged)])


def _item(judged: Judged) -> str:
    """One line: an anchor, the statement, its verdict, and what that rests on."""
    statement = judged.statement
    parts = [
        f'- <a id="s{statement.number}"></a>**{statement.number}. {inline(statement.text)}** '
        f"({words.DOCUMENTS[statement.document]})",
        f"**{inline(words.verdict(judged))}** ({words.WAYS[statement.judged_by]})",
    ]
    if evidence := words.evidence(judged):
        parts.append(f"Evidence: {inline(' '.join(evidence))}")
    if statement.corrected:
        parts.append(f"{words.correction(judged).capitalize()}: {inline(statement.corrected)}")
    return "<br>".join(parts)


def main(path: Path, run_dirs: Sequence[Path]) -> None:
    by_run = {folder.name: claims_of(folder) for folder in run_dirs}
    write_section(path, SECTION, claims_page(by_run, behaviour_found()))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("expected FILE.md: python -m analysis.report.claims_page FILE.md [results/RUN]")
    given = [Path(name) for name in sys.argv[2:]]
    main(Path(sys.argv[1]), given or [RESULTS / name for name in REFERENCE_RUNS])
