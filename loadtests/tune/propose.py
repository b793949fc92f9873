"""Which configurations a generation measures, and which few are measured once more. Pure: the same
history gives the same answer, so that a search that was stopped goes on as one that was not."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from loadtests.records.tuning import Score, Settings
from loadtests.tune.space import Key, Space, TuneError, key

MOST_ASKED = 20
"""How often Optuna is asked for one configuration that is new and makes sense."""

N_STARTUP = 6
"""Scores before Optuna's model of them is used: until then it draws at random."""

POOR = Score(0.0, 10.0, allowed=False)
"""What is learned of a configuration beyond the limits: its own figures could make it look good."""


@dataclass(frozen=True)
class Tried:
    """A configuration that was measured; score None: it could not be compared. open: with more
    slices it could."""

    name: str
    settings: Settings
    score: Score | None
    open: bool = False


def proposals(space: Space, tried: Sequence[Tried], n: int, seed: int) -> list[Settings]:
    """Up to n configurations that were not tried: first the default with each option changed alone,
    then what Optuna proposes."""
    taken = {key(space.default), *(key(each.settings) for each in tried)}
    found = [each for each in space.one_change() if key(each) not in taken][:n]
    taken |= {key(each) for each in found}
    if len(found) < n and any(key(each) not in taken for each in space.all()):
        found += _asked(space, tried, taken, n - len(found), seed + len(tried))
    return found


def _asked(
    space: Space, tried: Sequence[Tried], taken: set[Key], n: int, seed: int
) -> list[Settings]:
    """Optuna's proposals for a batch: what it proposed before in the same batch counts as a poor
    one (constant liar), so that the batch spreads. A draw of what is left where it repeats itself.
    """
    optuna = _optuna()
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=N_STARTUP, constant_liar=True)
    study = optuna.create_study(directions=("maximize", "minimize"), sampler=sampler)
    # By place in its list: neighbours there are alike, and that is all that sizes have in common.
    scale = {
        option: optuna.distributions.IntDistribution(0, len(values) - 1)
        for option, values in space.values.items()
    }
    for settings, score in _known(space, tried):
        places = {option: space.values[option].index(settings[option]) for option in scale}
        values = (score.capacity_ratio, score.p50_ratio)
        study.add_trial(
            optuna.trial.create_trial(params=places, distributions=scale, values=values)
        )
    found: list[Settings] = []
    for _ in range(MOST_ASKED * n):
        if len(found) == n:
            return found
        trial = study.ask(scale)
        settings = {option: space.values[option][trial.params[option]] for option in scale}
        if key(settings) not in taken and space.possible(settings):
            taken.add(key(settings))
            found.append(settings)
    left = [each for each in space.all() if key(each) not in taken]
    random.Random(seed).shuffle(left)
    return [*found, *left[: n - len(found)]]


def require_optuna() -> None:
    """TuneError where it is not installed; it is not imported."""
    if find_spec("optuna") is None:
        raise TuneError(
            "expected the package optuna for the search, found none: install it with "
            "pip install -e '.[tune]' -c constraints.txt."
        )


def _optuna() -> Any:
    """The module, imported late, which takes a second, and by name: it is an extra, which a bundle
    packs where it is asked to."""
    require_optuna()
    optuna = import_module("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _known(space: Space, tried: Sequence[Tried]) -> list[tuple[Settings, Score]]:
    """What may be learned from: the default too, which is its own measure."""
    scored = [(each.settings, each.score) for each in tried if each.score]
    learned = [(settings, score if score.allowed else POOR) for settings, score in scored]
    return [(space.default, Score(1.0, 1.0)), *learned]


def finalists(tried: Sequence[Tried], n: int) -> list[Tried]:
    """The best few within the limits: by how many are better in both capacity and P50, then by
    capacity. What they showed so far chose them, and counts no further. Where there are none, the
    first of those that more slices could tell apart."""
    scored = [(each, each.score) for each in tried if each.score and each.score.allowed]

    def rank(own: Score) -> tuple[int, float]:
        n_better = sum(_dominates(score, own) for _, score in scored)
        return n_better, -own.capacity_ratio

    ordered = [each for each, _ in sorted(scored, key=lambda pair: rank(pair[1]))]
    return (ordered or [each for each in tried if each.open])[:n]


def _dominates(one: Score, other: Score) -> bool:
    """Whether one is at least as good in both, and better in one."""
    more, less = one.capacity_ratio, one.p50_ratio
    at_least = more >= other.capacity_ratio and less <= other.p50_ratio
    return at_least and (more > other.capacity_ratio or less < other.p50_ratio)
