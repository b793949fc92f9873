"""Renders a summary as report.html, one self-contained file, and decision.md, a MADR record."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from analysis import wording
from analysis.compare import Saturation
from analysis.plots import figures
from analysis.points import Point
from analysis.summary import Summary
from analysis.validity import Meaning

TEMPLATES_DIR = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Group:
    """The points of one load level, contenders side by side."""

    level: str
    title: str
    points: list[Point]


@dataclass(frozen=True)
class Issue:
    """One reason at one contender and level, its repeats together."""

    contender: str
    level: str
    meaning: Meaning
    details: list[str]


def render_report(summary: Summary) -> str:
    """report.html: no script, no resource outside the file."""
    groups = _groups(summary.points)
    return _template("report.html.j2").render(
        s=summary,
        groups=groups,
        issues=_issues(summary.points),
        most=_most(summary),
        figures={name: Markup(svg) for name, svg in figures(summary).items()},  # our own SVG
        has_gpu=summary.manifest.machine.gpu is not None,
    )


def render_decision(summary: Summary) -> str:
    """decision.md: a decision record in MADR 4.0 form, status proposed."""
    return _template("decision.md.j2").render(s=summary, most=_most(summary))


def _template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES_DIR),
        autoescape=name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        number=wording.number,
        percent=wording.percent,
        times=wording.times,
        mebibytes=wording.mebibytes,
    )
    return environment.get_template(name)


def _most(summary: Summary) -> dict[str, Saturation]:
    return {found.contender: found for found in summary.saturation}


def _groups(points: Sequence[Point]) -> list[Group]:
    levels = {point.level: point for point in points}
    return [
        Group(level, _title(sample), [p for p in points if p.level == level])
        for level, sample in levels.items()
    ]


def _title(point: Point) -> str:
    if point.rate_rps is not None:
        return f"{point.rate_rps:g} requests/s, open loop"
    return f"{point.concurrency} callers, closed loop"


def _issues(points: Sequence[Point]) -> list[Issue]:
    found: dict[tuple[str, str, str], Issue] = {}
    for point in points:
        for finding in point.findings:
            key = (point.contender, point.level, finding.reason)
            fresh = Issue(point.contender, point.level, finding.meaning, [])
            issue = found.setdefault(key, fresh)
            if finding.detail not in issue.details:
                issue.details.append(finding.detail)
    # What makes a point unusable comes before what only limits it.
    return sorted(found.values(), key=lambda issue: not issue.meaning.effect.unusable)
