"""What is asked of a search, checked before anything is measured, and how its time is divided."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from loadtests.plan.time_budget import BudgetError
from loadtests.records.atomic import new_folder
from loadtests.records.experiment import Slo
from loadtests.records.seed import SEED
from loadtests.records.tuning import (
    TUNING_FILE,
    Limits,
    Settings,
    Tuning,
    read_tuning,
    write_tuning,
)
from loadtests.spec.experiment import placed
from loadtests.tune.generation import FINAL_ROUNDS, ROUNDS, final, generation, least_s, shares
from loadtests.tune.space import TuneError, space_of
from servers.discovery import Contender

ERROR_RATIO = 0.001
"""Of the SLO: the share of requests that may fail."""

MOST_S = 86_400.0
"""Of a search: a run, such as its last one, lasts a day at most."""


def drafted(
    contender: Contender,
    n_cores: int,
    *,
    slo: Slo,
    limits: Limits,
    low_rps: float,
    candidates: int,
    finalists: int,
    seed: int | None,
    model: str | None,
    texts: Path | None,
    command: str,
) -> Tuning:
    """What is asked, with the least in place of its plan; TuneError where it cannot be tuned."""
    space = space_of(contender, slo, n_cores)
    return Tuning(
        contender=contender.name,
        slo=slo,
        limits=limits,
        low_rps=low_rps,
        space=space.values,
        default=space.default,
        model=placed(model or "small", Path()),
        texts=str(texts.absolute()) if texts else None,
        seed=SEED if seed is None else seed,
        candidates=candidates,
        finalists=finalists,
        generations=1,
        generation_s=1.0,
        final_s=1.0,
        command=command,
    )


def planned(draft: Tuning, left_s: float) -> Tuning:
    """The search in the time that is left; BudgetError where there is too little, or too much."""
    if left_s > MOST_S:
        raise BudgetError(
            f"expected a time budget of at most {MOST_S / 3600:g}h for a search, found "
            f"{left_s / 3600:.4g}h; give less time."
        )
    some = generation(draft, 1, _any(draft, draft.candidates), None)
    few = final(draft, _any(draft, draft.finalists), None)
    parts = shares(left_s, least_s(some, ROUNDS), least_s(few, FINAL_ROUNDS))
    return draft.model_copy(
        update={
            "generations": parts.generations,
            "generation_s": parts.generation_s,
            "final_s": parts.final_s,
        }
    )


def _any(draft: Tuning, n: int) -> dict[str, Settings]:
    """So many configurations, whichever: only their number counts."""
    return {f"c{k}": draft.default for k in range(1, n + 1)}


def new_search(results: Path, tuning: Tuning, now: datetime) -> Path:
    """A folder for it, with what was asked in it."""
    folder = new_folder(results / f"tune-{tuning.contender}-{now:%Y%m%d-%H%M%S}")
    write_tuning(folder, tuning)
    return folder


def tuning_to_resume(folder: Path, given: Sequence[str]) -> Tuning:
    """What was asked of the search in a folder; given: what else is asked now, which is refused."""
    if given:
        raise TuneError(
            f"expected nothing beside --resume, found {', '.join(given)}: a search keeps what was "
            "asked of it; leave that out, or start a new search."
        )
    if not (folder / TUNING_FILE).exists():
        raise TuneError(
            f"expected the folder of a search, found no {TUNING_FILE} in {folder}: give one that "
            "`study list` names."
        )
    return read_tuning(folder)
