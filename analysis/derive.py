"""From a run folder to everything derived from it. The one entry point of this package."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from analysis.decide.asked import NOTHING_ASKED, Asked
from analysis.read.run import load_run
from analysis.report.figures.catalogue import PNG_FILES, png_figures, write_png
from analysis.report.render import render_decision, render_report
from analysis.report.summary import Summary, summarise, write_summary
from loadtests.records.atomic import replacing


@dataclass(frozen=True)
class Outputs:
    """What derive wrote, and the summary it wrote it from. figure_paths: none for closed loops."""

    summary: Summary
    summary_path: Path
    report_path: Path
    decision_path: Path
    figure_paths: list[Path]


def derive(run_dir: Path, asked: Asked = NOTHING_ASKED) -> Outputs:
    """Computes and writes summary.json, report.html, decision.md and the PNG figures of a run.

    May be called again at any time, and where the same is asked has the same result. Raises
    loadtests.records.stored.RecordError where the run is damaged or incomplete, or cannot answer.
    """
    summary = summarise(load_run(run_dir), asked)
    report, decision = render_report(summary), render_decision(summary)
    return Outputs(
        summary=summary,
        summary_path=_replace(run_dir / "summary.json", lambda p: write_summary(summary, p)),
        report_path=_replace(run_dir / "report.html", lambda p: _write(p, report)),
        decision_path=_replace(run_dir / "decision.md", lambda p: _write(p, decision)),
        figure_paths=_write_figures(run_dir, png_figures(summary)),
    )


def _write_figures(run_dir: Path, drawn: Mapping[str, Figure]) -> list[Path]:
    for name in PNG_FILES.keys() - drawn.keys():
        (run_dir / name).unlink(missing_ok=True)  # of a report that knew less
    return [_replace(run_dir / name, partial(write_png, figure)) for name, figure in drawn.items()]


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _replace(path: Path, write: Callable[[Path], None]) -> Path:
    with replacing(path) as unfinished:
        write(unfinished)
    return path
