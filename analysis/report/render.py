"""Renders a summary as report.html, one self-contained file, and decision.md, a MADR record."""

from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from pydantic import BaseModel

from analysis.capacity.engine_efficiency import EFFICIENCY_BUDGET
from analysis.claims.catalogue import BY_ID
from analysis.compare.intervals import Metric
from analysis.report import tables
from analysis.report.figures.catalogue import figures
from analysis.report.summary import Summary
from analysis.report.words import (
    answer,
    bottlenecks,
    certificates,
    claims,
    decision,
    gpu,
    numbers,
    overload,
    predicted,
    record,
)
from analysis.report.words.codes import said
from analysis.report.words.reasons import meaning
from analysis.report.words.run import resident, rounds, time_spent, warnings
from analysis.steady.metrics import STATED
from loadtests.records.device_curve import PASS_P50_BOUND, PASS_P99_BOUND
from loadtests.records.markdown import code, code_block, inline
from loadtests.records.percentiles import least_successes
from loadtests.records.slo import SATURATED_BELOW
from loadtests.records.trials import CEILING_SHARE

TEMPLATES_DIR = Path(__file__).parent / "templates"

_COLOURS = {
    "met": "good",
    "better": "good",
    "passed": "good",
    "certified": "good",
    "not_met": "bad",
    "worse": "bad",
    "failed": "bad",
    "none_meets_slo": "bad",
    "holds": "good",
    "does_not_hold": "bad",
    "no_material_difference": "muted",
    "not_applicable": "muted",
}
_MARKS = {"passed": "✓", "failed": "✗", "not_applicable": "·"}


def render_report(summary: Summary) -> str:
    """report.html: no script, no resource outside the file."""
    return _template("report.html.j2").render(
        s=summary,
        m=summary.manifest,
        e=summary.manifest.experiment,
        figures={name: Markup(svg) for name, svg in figures(summary).items()},  # our own SVG
        fact=fact_of(summary),
        gpu=tables.gpu_columns(summary.points),
        has_flops=any(
            efficiency.flops_per_s is not None for efficiency in summary.engine_efficiencies
        ),
    )


def render_decision(summary: Summary) -> str:
    """decision.md: a decision record in MADR 4.0 form, status proposed."""
    manifest = summary.manifest
    return _template("decision.md.j2").render(s=summary, m=manifest, e=manifest.experiment)


def fact_of(summary: Summary) -> Callable[..., Markup]:
    """A function that shows one field of a value inside summary, and marks where it comes from.

    The marks are what lets a test compare every number of the page with summary.json.
    """
    paths = {id(value): path for path, value in _values(summary, "")}

    def fact(value: object, field: str, worded: Callable[[Any], str] = numbers.number) -> Markup:
        raw = getattr(value, field)
        return Markup('<data data-at="{}{}" value="{}">{}</data>').format(
            paths[id(value)], field, "null" if raw is None else raw, worded(raw)
        )

    return fact


def _values(node: object, path: str) -> Iterator[tuple[str, object]]:
    """Every value inside node with its path in summary.json: points.3.metrics."""
    if isinstance(node, BaseModel) or is_dataclass(node):
        yield path, node
        declared = node.__dataclass_fields__ if is_dataclass(node) else type(node).model_fields
        for name in declared:
            yield from _values(getattr(node, name), f"{path}{name}.")
    elif isinstance(node, list | tuple):
        for i, item in enumerate(node):
            yield from _values(item, f"{path}{i}.")


def _as_markdown(value: object) -> object:
    """What the templates of decision.md print, but for the code that they mark as such."""
    return value if isinstance(value, Markup) else inline(value)


def _template(name: str) -> Template:
    environment = Environment(
        finalize=None if name.endswith(".html.j2") else _as_markdown,
        loader=FileSystemLoader(TEMPLATES_DIR),
        autoescape=name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["colour"] = lambda word: _COLOURS.get(word or "", "doubt")
    environment.filters["code"] = lambda text: Markup(code(text))
    environment.filters["code_block"] = lambda text: Markup(code_block(text))
    environment.filters["mark"] = _MARKS.__getitem__
    environment.filters["said"] = said
    environment.filters["level"] = numbers.level
    environment.globals.update(
        tables=tables,
        numbers=numbers,
        answer=answer,
        record=record,
        bottlenecks=bottlenecks,
        certificates=certificates,
        claims=claims,
        decision=decision,
        gpu_words=gpu,
        overload=overload,
        predicted=predicted,
        CLAIMS=BY_ID,
        meaning=meaning,
        resident=resident,
        rounds=rounds,
        time_spent=time_spent,
        warnings=warnings,
        Metric=Metric,
        STATED=STATED,
        least_successes=least_successes,
        SATURATED_BELOW=SATURATED_BELOW,
        CEILING_SHARE=CEILING_SHARE,
        EFFICIENCY_BUDGET=EFFICIENCY_BUDGET,
        PASS_P50_BOUND=PASS_P50_BOUND,
        PASS_P99_BOUND=PASS_P99_BOUND,
    )
    return environment.get_template(name)
