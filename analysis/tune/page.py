"""The answer of `study tune` in words: a sentence, tables, and files beside the runs."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field
from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from analysis.compare.verdicts import Verdict
from analysis.read.value import Value
from analysis.report.words.codes import said
from analysis.report.words.decision import objective
from analysis.report.words.numbers import NONE, number, plain, times_within, verdict
from analysis.tune.figure import pareto_svg
from analysis.tune.measured import Candidate, Configuration, Effect, Generation, read_generation
from analysis.tune.verdict import Answer, Outcome, answer
from loadtests.records.atomic import replacing
from loadtests.records.markdown import code, inline, provenance, table
from loadtests.records.trials import read_json
from loadtests.records.tuning import TUNING_PAGE, Tuning, in_words, value_in_words

RESULT, FIGURE = "result.json", "pareto.svg"


class Tuned(Value):
    """result.json: everything that the page says."""

    schema_version: int = Field(default=1, description="Version of this file.")
    tuning: Tuning = Field(description="What was asked.")
    answer: Answer = Field(description="The configuration to take.")
    sentence: str = Field(description="The same in words.")
    final: Generation | None = Field(description="The last generation, on which the answer rests.")
    generations: list[Generation] = Field(description="Those that searched.")


def tuned(tuning: Tuning, runs: Sequence[Path], final_run: Path | None) -> Tuned:
    """What the runs of a search say."""
    generations = [read_generation(run, tuning) for run in runs]
    final = read_generation(final_run, tuning) if final_run else None
    found = answer(final)
    return Tuned(
        tuning=tuning,
        answer=found,
        sentence=sentence(tuning, found, generations, final),
        final=final,
        generations=generations,
    )


def write_tuned(folder: Path, found: Tuned, final_run: Path | None) -> list[Path]:
    """The page, the result as JSON and the figure."""
    record = read_json(final_run / "manifest.json") if final_run else None
    origin = provenance({**record, "command": found.tuning.command}) if record else []
    contents = {
        TUNING_PAGE: "\n".join([*page(found), "", *origin]) + "\n",
        RESULT: found.model_dump_json(indent=2) + "\n",
        FIGURE: pareto_svg(found.tuning, found.generations, found.final),
    }
    for name, content in contents.items():
        with replacing(folder / name) as unfinished:
            unfinished.write_text(content, encoding="utf-8")
    return [folder / name for name in contents]


def sentence(
    tuning: Tuning, found: Answer, generations: Sequence[Generation], final: Generation | None
) -> str:
    """What to take, and by how much it is better; or that nothing is."""
    best, contender = found.best, tuning.contender
    n_measured = sum(len(each.candidates) for each in generations)
    if best is None or final is None:
        if found.outcome is Outcome.NOT_COMPARED:
            return (
                f"Nothing can be said: of {_count(n_measured)} none could be compared with "
                f"the default of {contender} in the end. {TUNING_PAGE} says why; give more time, a "
                "quieter machine or a lower --low-rate."
            )
        return _none_better(tuning, n_measured, final)
    certified = _certified(best, final)
    capacity = times_within(best.capacity.ratio, best.capacity.low, best.capacity.high)
    p50 = best.p50
    p50_said = times_within(p50.ratio, p50.low, p50.high) if p50 else NONE
    why = {
        Outcome.MORE_CAPACITY: "more capacity",
        Outcome.LOWER_P50: "as much capacity and a lower P50",
        Outcome.WITHIN_LIMITS: "the most capacity within the limits, which the default exceeds",
    }[found.outcome]
    return (
        f"Take {contender} with {in_words(best.changes)}: {why}. Its capacity under "
        f"{objective(tuning.slo)} is {capacity} the default's{certified}; its P50 at "
        f"{plain(tuning.low_rps)} requests/s is {p50_said} the default's."
    )


def _none_better(tuning: Tuning, n_measured: int, final: Generation | None) -> str:
    """Of which finalists that is certain, and of which more time would have to tell."""
    finalists = final.candidates if final else []
    n_best = "one was" if len(finalists) == 1 else f"{len(finalists)} were"
    unsure = [each for each in finalists if each.in_play and _is_open(each)]
    said_unsure = "; ".join(f"{each.name} ({in_words(each.changes)})" for each in unsure)
    more = f" There is not enough evidence of {said_unsure}: more time may tell." if unsure else ""
    beats = "was shown to beat" if unsure else "beats"
    return (
        f"Nothing {beats} the default of {tuning.contender}. Of {_count(n_measured)} measured "
        f"beside it, the best {n_best} measured once more: none has more capacity for certain "
        f"under {objective(tuning.slo)}, or as much and a lower P50 at {plain(tuning.low_rps)} "
        f"requests/s.{more}"
    )


def _is_open(candidate: Candidate) -> bool:
    return candidate.capacity.verdict is Verdict.NOT_ENOUGH_EVIDENCE


def _count(n: int) -> str:
    return f"{n} configuration{'s' if n != 1 else ''}"


def _certified(best: Candidate, final: Generation) -> str:
    if best.certified_rps is None or final.default.certified_rps is None:
        return ""
    return (
        f" (certified: {plain(best.certified_rps)} beside {plain(final.default.certified_rps)} "
        "requests/s)"
    )


def page(found: Tuned) -> list[str]:
    """The page, line by line."""
    tuning = found.tuning
    lines = [f"# Tuning {inline(tuning.contender)}", "", found.sentence, ""]
    lines += [f"![Capacity against P50 at low load]({FIGURE})", ""]
    if found.final:
        head = "The best once more: what the answer rests on"
        lines += [f"## {head}", "", table(_HEAD, _default_row(found.final, _rows(found.final))), ""]
    effects = [(code(option), *cells) for option, *cells in _effect_rows(found)]
    lines += ["## What each option did", "", *_said(effects, _EFFECT_HEAD), ""]
    searched = [row for each in found.generations for row in _rows(each)]
    lines += ["## Every configuration of the search", "", *_said(searched, _HEAD), ""]
    values = [
        f"{code(name)}: {'; '.join(map(value_in_words, each))}"
        for name, each in tuning.space.items()
    ]
    return [*lines, "## What was searched", "", *(f"- {line}" for line in values)]


_HEAD = (
    *("", "configuration", "capacity over the default's", "P50 over the default's", "P50, ms"),
    *("certified, rps", "memory, MiB", "remarks"),
)
_NO_FIGURES = ("", "", "", "")
_EFFECT_HEAD = ("option", "from", "to", "beside", "capacity", "P50 at low load", "measured in")


def _said(rows: Sequence[Sequence[str]], head: Sequence[str]) -> list[str]:
    return [table(head, rows)] if rows else ["None could be compared."]


def _default_row(final: Generation, rows: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    default, again = final.default, final.again
    figures = number(default.p50_ms), plain(default.certified_rps), number(default.memory_mib)
    own: list[Sequence[str]] = [("default", "", "1", "1", *figures, _remarks(default))]
    if again:
        own.append(("default", "started a second time (A/A)", NONE, verdict(again), *_NO_FIGURES))
    return [*own, *rows]


def _rows(generation: Generation) -> list[Sequence[str]]:
    return [
        (
            each.name,
            inline(in_words(each.changes)),
            verdict(each.capacity),
            verdict(each.p50),
            number(each.p50_ms),
            plain(each.certified_rps),
            number(each.memory_mib),
            _remarks(each),
        )
        for each in generation.candidates
    ]


def _remarks(each: Configuration) -> str:
    """The limits that it exceeds, and why it, or its capacity, is not known."""
    said = [*each.beyond, each.problem]
    if not each.problem and each.estimate_rps is None and each.met_rps:
        said.append(f"capacity not reached: {plain(each.met_rps)} requests/s are met")
    return inline("; ".join(filter(None, said)))


def _effect_rows(found: Tuned) -> list[tuple[str, ...]]:
    """By option, then by what else is changed: the runs in their order."""
    generations = [*found.generations, *([found.final] if found.final else [])]
    effects = [effect for each in generations for effect in each.effects]
    order = list(found.tuning.space)
    effects.sort(key=lambda each: (order.index(each.option), len(each.beside)))
    return [_effect_row(each) for each in effects]


def _effect_row(effect: Effect) -> tuple[str, ...]:
    return (
        effect.option,
        value_in_words(effect.before),
        value_in_words(effect.after),
        in_words(effect.beside) if effect.beside else "the default",
        verdict(effect.capacity),
        verdict(effect.p50),
        effect.generation,
    )


def tuned_table(found: Tuned) -> RenderableType:
    """The last generation and the sentence, for the terminal."""
    final = found.final
    if final is None:
        return Text(found.sentence, style="bold")
    columns = (Column("", no_wrap=True), "configuration", "capacity", "P50 at low load")
    rows = Table(*columns, title="Over the default, measured once more", title_justify="left")
    for each in final.candidates:
        cells = verdict(each.capacity), verdict(each.p50)
        rows.add_row(each.name, in_words(each.changes), *cells)
    style = "bold" if found.answer.best else "bold yellow"
    outcome = Text(f"{said(found.answer.outcome)}: ", style=style)
    return Group(rows, outcome.append(found.sentence))
