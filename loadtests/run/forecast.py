"""Which scope of a run fits the time left: from what is on disk and what the machine has shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from loadtests.measure.engines import ENGINES_FILE, wanted_engines
from loadtests.measure.tools import RunContext
from loadtests.plan import rounds
from loadtests.plan.rounds import AS_PLANNED, CandidateRates, Starts
from loadtests.plan.tiers import Pending, Scope, fitting, remaining, tiers_of
from loadtests.plan.timetable import Timetable
from loadtests.run.capacity_search import CapacitySearch
from loadtests.run.history import History
from loadtests.spec.experiment import Experiment
from servers.discovery import Contender

MARGIN = 1.25

CUDA_STARTUP_S = 20.0
"""What a start on a GPU is taken to last before one is seen: PyTorch's libraries, the device's
context, the weights, then a pass or a graph for every shape. Starts that were planned at 5 s would
fill the budget with what comes first, and leave the last contenders none."""


@dataclass
class Forecast:
    """Looks ahead from any moment of a run; candidate_rates as far as they are decided."""

    folder: Path
    experiment: Experiment
    contenders: Mapping[str, Contender]
    history: History
    time: Timetable
    search: CapacitySearch | None
    candidate_rates: CandidateRates = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tiers = tiers_of(self.experiment)

    def starts(self) -> Starts:
        """What a start takes. Only where the end is fixed as this run has seen it: elsewhere slow
        starts are part of how the run keeps to its plan."""
        if not self.time.ends:
            return AS_PLANNED
        seen = self.history.starts()
        on_gpu = {n for n, c in self.contenders.items() if c.options.get("device") == "cuda"}
        least_s = dict.fromkeys(on_gpu - seen.seen_s.keys(), CUDA_STARTUP_S)
        return Starts({n: max(seen.of(n), least_s.get(n, 0.0)) for n in self.contenders})

    def pending(self) -> Pending:
        """What is missing on disk."""
        searched = self.history.searched()
        unsearched = {n for n in self.experiment.contenders if self.search and n not in searched}
        found = {name: self.search.found_rates(name) for name in searched} if self.search else {}
        guessed = rounds.guessed_rates(self.experiment, unsearched)
        rates = {**found, **self.candidate_rates, **guessed}
        engines = wanted_engines(self.contenders[n] for n in self.experiment.contenders)
        calibration = rounds.calibration(self.experiment, self.contenders)
        blocks = rounds.blocks(self.experiment, self.contenders, rates)
        return Pending(
            calibration=rounds.missing(calibration, self.history.records),
            blocks=rounds.missing(blocks, self.history.records),
            candidate_rates=rates,
            unsearched=frozenset(unsearched),
            engines=0 if (self.folder / ENGINES_FILE).exists() else len(engines),
            starts=self.starts(),
        )

    def ahead_s(self, scope: Scope) -> dict[str, float]:
        """Planned seconds still to do in this scope, by phase."""
        return remaining(scope, self.experiment, self.pending())

    def lengths_s(self) -> list[float]:
        """Of each tier of the tiers_of, what it and all below it are still expected to take."""
        pending = self.pending()
        parts = (remaining(tier.scope, self.experiment, pending) for tier in self.tiers)
        return [self.time.expected_s(sum(by_phase.values())) for by_phase in parts]

    def highest_tier(self) -> int:
        """The highest tier that fits; the lowest where none does."""
        return max(0, fitting(self.lengths_s(), self.time.until_end_s()) - 1)

    def others_s(self, scope: Scope, name: str) -> float:
        """Planned seconds of what a contender's session must leave time for: the coarse searches of
        those after it and every other's first repeat, with MARGIN; at most their fair share."""
        least = replace(
            scope,
            contenders=scope.contenders - {name},
            search=scope.search - {name},
            repeats=1,
            noise=False,
            fine=False,
            engines=False,
        )
        pending = self.pending()
        first = [session for session in pending.blocks if session.repeat == 1]
        waiting = {v.contender.name for v in least.narrow(first, self.experiment, {})}
        n_others = len(waiting | (least.search & pending.unsearched))
        fair_s = self.time.planned_left_s() * n_others / (n_others + 1)
        return min(MARGIN * sum(remaining(least, self.experiment, pending).values()), fair_s)


def forecast_of(
    contenders: Mapping[str, Contender], context: RunContext, until_s: float
) -> Forecast:
    """How the run stands that is in the context's folder (one that is not there has not begun) and
    that ends at until_s on the clock of time.monotonic."""
    experiment = context.experiment
    history = History.read(context.folder, experiment, context.run_id)
    capacity = experiment.capacity
    budget_s, clock = capacity.budget_s if capacity else None, context.tools.clock
    time = Timetable(budget_s, history.spent_s(), until_s, clock)
    search = CapacitySearch(experiment, capacity, contenders, history, time) if capacity else None
    return Forecast(context.folder, experiment, contenders, history, time, search)
