"""What `study list` shows, in lines that are never cut: a path must be there to be copied."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from commands.common import EXPERIMENTS
from loadtests.records.run_trials import read_trials
from loadtests.records.stored import RecordError, shown
from loadtests.records.trials import read_json
from loadtests.records.tuning import TUNING_FILE, TUNING_PAGE, read_tuning
from loadtests.spec.file import read_experiment
from servers.discovery import Contender, discover


def listed(results: Path) -> Iterator[str]:
    """Contenders, experiments, and the runs and searches in results, one a line."""
    yield "Contenders"
    yield from aligned(
        (each.name, f"port {each.port}", each.engine, each.setting, each.summary)
        for each in sorted(discover().values(), key=_place)
    )
    yield f"\nExperiments (study run NAME), in {EXPERIMENTS}"
    yield from aligned(
        (path.stem, read_experiment(path).description)
        for path in sorted(EXPERIMENTS.glob("*.toml"))
    )
    yield f"\nRuns in {results}"
    runs = sorted(results.glob("*/manifest.json"))
    yield from aligned(_run(path.parent) for path in runs)
    if not runs:
        yield "  none yet"
    if searches := sorted(results.glob(f"*/{TUNING_FILE}")):
        yield "\nSearches (study tune)"
        yield from aligned(_search(path.parent) for path in searches)


def _place(contender: Contender) -> tuple[bool, int]:
    """The simplest first, what only calibrates last."""
    return contender.setting == "calibration", len(contender.components)


def _run(folder: Path) -> Sequence[str]:
    manifest = folder / "manifest.json"
    try:
        if not manifest.is_file():
            raise ValueError("its manifest.json is not a file")
        finished = read_json(manifest)["finished_at"]
        n_trials = len(read_trials(folder))
    # A folder that somebody damaged, or that is no run at all, must not hide the others.
    except Exception as error:
        return str(folder), f"cannot be read: {error!s}"
    if finished is None:
        finished = "unfinished (study run --resume continues it)"
    return str(folder), f"{n_trials} trials", shown(finished)


def _search(folder: Path) -> Sequence[str]:
    try:
        contender = read_tuning(folder).contender
    except RecordError as error:
        return str(folder), f"cannot be read: {error!s}"
    page = folder / TUNING_PAGE
    if page.is_file():
        return str(folder), contender, str(page)
    return str(folder), contender, "unfinished (study tune --resume continues it)"


def aligned(rows: Iterator[Sequence[str]]) -> Iterator[str]:
    """Each column as wide as its longest entry, the last one as long as it is."""
    table = list(rows)
    widths = [max(len(row[k]) for row in table if k < len(row)) for k in range(_n_columns(table))]
    for row in table:
        *first, last = row
        padded = (text.ljust(width) for text, width in zip(first, widths, strict=False))
        yield "  " + "  ".join((*padded, last))


def _n_columns(table: Sequence[Sequence[str]]) -> int:
    return max((len(row) for row in table), default=0)
