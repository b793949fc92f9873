"""From a run folder to everything derived from it. The one entry point of this package."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from analysis.load import load_run
from analysis.plots import write_png
from analysis.report import render_decision, render_report
from analysis.summary import Summary, summarise, write_summary


@dataclass(frozen=True)
class Outputs:
    """What derive wrote, and the summary it wrote it from. figure_path None: no arrival rates."""

    summary: Summary
    summary_path: Path
    report_path: Path
    decision_path: Path
    figure_path: Path | None


def derive(run_dir: Path) -> Outputs:
    """Computes and writes summary.json, report.html, decision.md and p99.png of a run.

    May be called again at any time with the same result. Raises loadtests.records.RecordError
    where the run is damaged or incomplete.
    """
    summary = summarise(load_run(run_dir))
    report, decision = render_report(summary), render_decision(summary)
    has_rates = any(point.rate_rps is not None for point in summary.points)
    return Outputs(
        summary=summary,
        summary_path=_replace(run_dir / "summary.json", lambda p: write_summary(summary, p)),
        report_path=_replace(run_dir / "report.html", lambda p: _write(p, report)),
        decision_path=_replace(run_dir / "decision.md", lambda p: _write(p, decision)),
        figure_path=(
            _replace(run_dir / "p99.png", lambda p: write_png(summary, p)) if has_rates else None
        ),
    )


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _replace(path: Path, write: Callable[[Path], None]) -> Path:
    unfinished = path.with_name(f".{path.name}.unfinished")
    write(unfinished)
    os.replace(unfinished, path)
    return path
