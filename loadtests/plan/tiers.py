"""How much of an experiment a run measures: ever larger scopes, the most informative first. Pure.

Every scope holds the one before it, and holds a level or a block for all its contenders or for
none: what is compared stays comparable, and more time never measures less.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from loadtests.plan import rounds
from loadtests.plan.rounds import AS_PLANNED, CandidateRates, ServerSession, Starts
from loadtests.records.trials import Dropped, Level
from loadtests.spec.experiment import Experiment


@dataclass(frozen=True)
class Scope:
    """What a run measures of an experiment: levels are the common ones, search holds the contenders
    whose capacity is searched for, fine is that search to the end and for every SLO."""

    contenders: frozenset[str]
    levels: frozenset[Level]
    repeats: int = 1
    engines: bool = False
    search: frozenset[str] = frozenset()
    fine: bool = False
    noise: bool = False

    def narrow(
        self,
        sessions: Iterable[ServerSession],
        experiment: Experiment,
        candidate_rates: CandidateRates,
    ) -> list[ServerSession]:
        """Of sessions that are planned for blocks, what is in this scope."""
        kept = []
        for session in sessions:
            noise = session.trials[0].purpose == "noise"
            base = str(experiment.aa_test) if noise else session.contender.name
            if base not in self.contenders or (noise and not self.noise):
                continue
            levels = {
                *self.levels,
                *(Level("open", rate_rps=r) for r in candidate_rates.get(base, ())),
            }
            trials = tuple(trial for trial in session.trials if trial.level in levels)
            if trials:
                kept.append(replace(session, trials=trials))
        return kept


@dataclass(frozen=True)
class Tier:
    """One step of the tiers_of: a scope and what it has over the one below. left_out is how the
    manifest names that; None: it is told block by block, or search by search, as it comes."""

    adds: str
    scope: Scope
    left_out: Dropped | None = None


@dataclass(frozen=True)
class Pending:
    """What the whole experiment still lacks: sessions of the calibration and of all blocks at
    candidate_rates, which are guessed for the contenders in unsearched; the number of engines to
    measure alone; and how long starts take."""

    calibration: Sequence[ServerSession]
    blocks: Sequence[ServerSession]
    candidate_rates: CandidateRates
    unsearched: frozenset[str] = frozenset()
    engines: int = 0
    starts: Starts = AS_PLANNED


def whole(experiment: Experiment) -> Scope:
    """Everything that the experiment asks for."""
    return Scope(
        contenders=frozenset(experiment.contenders),
        levels=frozenset(experiment.load.levels()),
        repeats=experiment.repeats,
        engines=experiment.engines is not None,
        search=frozenset(experiment.contenders if experiment.capacity else ()),
        fine=experiment.capacity is not None,
        noise=experiment.aa_test is not None,
    )


def extras(experiment: Experiment) -> tuple[str, ...]:
    """The contenders that can wait: variants of a contender that is measured as well, a further
    setting of an answer that is there without it."""
    bases = {variant.name: variant.base for variant in experiment.variants}
    needed = (experiment.reference, experiment.aa_test)
    return tuple(
        name
        for name in experiment.contenders
        if name not in needed and bases.get(name, name) in set(experiment.contenders) - {name}
    )


def tiers_of(experiment: Experiment) -> list[Tier]:
    """From the least that answers anything to the whole experiment, one addition at a time."""
    full, waiting = whole(experiment), extras(experiment)
    tiers = [_lowest(experiment, full.contenders - set(waiting))]

    def top() -> Scope:
        return tiers[-1].scope

    def add(adds: str, left_out: Dropped | None, scope: Scope) -> None:
        if scope != top():
            tiers.append(Tier(adds, scope, left_out))

    alone = "the engines alone"
    add(alone, Dropped("engines", 0, None, alone), replace(top(), engines=full.engines))
    for name in search_order(experiment, reference_first=True):
        if name in full.search & top().contenders:
            left_out = Dropped("search", 0, name, "the whole search")
            scope = replace(top(), search=top().search | {name})
            add(f"a coarse search for the capacity of {name}", left_out, scope)
    add("block 2", None, replace(top(), repeats=min(2, full.repeats)))
    if experiment.aa_test:
        aa_copy = f"{experiment.aa_test} against itself"
        add(aa_copy, Dropped("noise", 0, None, aa_copy), replace(top(), noise=True))
    for level in experiment.load.levels()[1:]:
        at = f"every contender at {level.in_words}"
        left_out = Dropped("measurement", 0, None, at)
        add(at, left_out, replace(top(), levels=top().levels | {level}))
    for repeat in range(3, full.repeats + 1):
        add(f"block {repeat}", None, replace(top(), repeats=repeat))
    further = "the finest steps of the search, and SLOs after the first"
    add(further, None, replace(top(), fine=full.fine))
    for name in waiting:
        left_out = Dropped("measurement", 0, name, "all of it")
        contenders, search = top().contenders | {name}, top().search | (full.search & {name})
        scope = replace(top(), contenders=contenders, search=search)
        add(f"the variant {name}", left_out, scope)
    return tiers


def search_order(experiment: Experiment, reference_first: bool) -> list[str]:
    """The contenders in the order in which the search takes them: in seeded random order, the
    reference before all others where the search may have to end early."""
    order = rounds.search_order(experiment)
    if reference_first:
        order.sort(key=lambda name: name != experiment.reference)
    return order


def fitting(lengths_s: Sequence[float], left_s: float) -> int:
    """How many tiers from the lowest on fit, each length being that of a scope with all below."""
    for count, length_s in enumerate(lengths_s):
        if length_s > left_s:
            return count
    return len(lengths_s)


def remaining(scope: Scope, experiment: Experiment, pending: Pending) -> dict[str, float]:
    """Planned seconds of what this scope still asks for, by phase of the run."""
    starts, awaited = pending.starts, scope.search & pending.unsearched
    never = pending.unsearched - awaited
    rates = {name: own for name, own in pending.candidate_rates.items() if name not in never}
    sessions = [session for session in pending.blocks if session.repeat <= scope.repeats]
    blocks_s = rounds.expected_s(scope.narrow(sessions, experiment, rates), starts)
    # The first block needs no starts of its own: it shares the sessions of the search.
    shared_s = sum(starts.of(name) for name in awaited)
    return {
        "engines": rounds.ENGINE_S * pending.engines if scope.engines else 0.0,
        "calibration": rounds.expected_s(pending.calibration),
        "search": rounds.expected_search_s(experiment, awaited, scope.fine, starts),
        "blocks": max(0.0, blocks_s - shared_s),
    }


def _lowest(experiment: Experiment, contenders: frozenset[str]) -> Tier:
    levels = experiment.load.levels()[:1]
    if levels:
        once = f"the client's calibration, every contender once at {levels[0].in_words}"
        return Tier(once, Scope(contenders, frozenset(levels)))
    search = "the client's calibration, a coarse search for every contender's capacity"
    return Tier(search, Scope(contenders, frozenset(), search=contenders))
