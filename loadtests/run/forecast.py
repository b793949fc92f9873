"""What is left of a run: which scope fits the time, and which rate each search probes next.

From what is on disk and what the machine has shown; what to probe is asked of plan.bisection.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from loadtests.measure.engines import wanted_engines
from loadtests.measure.tools import RunContext
from loadtests.plan import rounds
from loadtests.plan.bisection import Doubted, Grid, Probes, found_index, grid_of, next_for_any
from loadtests.plan.rounds import AS_PLANNED, CandidateRates, PlannedTrial, Starts
from loadtests.plan.tiers import Pending, Scope, fitting, remaining, tiers_of
from loadtests.plan.timetable import Timetable
from loadtests.records.engines import ENGINES_FILE
from loadtests.records.trials import Dropped
from loadtests.run.history import History
from loadtests.spec.experiment import CapacitySpec, Experiment
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
    candidate_rates: CandidateRates = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tiers = tiers_of(self.experiment)

    @property
    def _capacity(self) -> CapacitySpec:
        assert self.experiment.capacity is not None  # else nothing is searched for
        return self.experiment.capacity

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
        asked = self.experiment.contenders if self.experiment.capacity else ()
        unsearched = {name for name in asked if name not in searched}
        found = {name: self.found_rates(name) for name in searched}
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

    def probes(
        self, name: str, reserved_s: float, kept_free_s: float, drop: Callable[[Dropped], None]
    ) -> Iterator[PlannedTrial]:
        """The probes of one contender, each chosen when the one before is judged.

        Where less than reserved_s (a planned length) is left for what comes after, the finest
        bisection step and the SLOs after the first are dropped; where a probe would leave less than
        kept_free_s of a budget of the whole run, or nothing is left of the experiment's, the rest.
        """
        grid = self._grid(name)
        while not self.history.is_out(name):
            by_slo = self._known(name, grid)
            wanted = next_for_any(by_slo, grid)
            short = self.time.expected_s(reserved_s) > self.time.budget_left_s()
            index = next_for_any(by_slo[:1], grid, within=2) if short else wanted
            trial = None if index is None else self._probe(name, grid.rate_rps(index))
            over = trial is not None and not self.time.can_begin(trial.expected_s + kept_free_s)
            if wanted is not None and (trial is None or over):
                missing = "the rest" if over else "the finest step and further SLOs"
                detail = f"{missing} of its search: the budget of time is short"
                drop(Dropped("search", 0, name, detail))
            if trial is None or over:
                return
            yield trial

    def found_rates(self, name: str) -> list[float]:
        """The highest rate at which this contender met the first SLO, if there is one."""
        return self._rates_of(name, slos=1)

    def affordable_rates(self, blocks_s: Callable[[CandidateRates], float]) -> CandidateRates:
        """The rates to repeat: those found for every SLO and the next one above the first, or as
        many of them as leave room for all blocks; at least those found for the first SLO.

        blocks_s: the planned length of what is missing of all blocks, at such rates.
        """
        for choice in (self._rates(above=1), self._rates(), self._rates(slos=1)):
            if self.time.expected_s(blocks_s(choice)) <= self.time.budget_left_s():
                break
        return choice

    def found_are_in(self, candidate_rates: CandidateRates) -> bool:
        """Whether every rate found is among those to repeat."""
        return all(
            set(found) <= set(candidate_rates[name]) for name, found in self._rates().items()
        )

    def _probe(self, name: str, rate_rps: float) -> PlannedTrial:
        earlier = self.history.n_probes(name, rate_rps)
        contender = self.contenders[name]
        return rounds.probe(self.experiment, self._capacity, contender, rate_rps, earlier)

    def _rates(self, slos: int | None = None, above: int = 0) -> CandidateRates:
        return {name: self._rates_of(name, slos, above) for name in self.experiment.contenders}

    def _rates_of(self, name: str, slos: int | None = None, above: int = 0) -> list[float]:
        grid = self._grid(name)
        found = [found_index(probes) for probes, _ in self._known(name, grid)]
        known = [index for index in found[:slos] if index is not None]
        if found[0] is not None:
            known += range(found[0] + 1, min(found[0] + above, grid.highest) + 1)
        return [grid.rate_rps(index) for index in dict.fromkeys(known)]

    def _grid(self, name: str) -> Grid:
        return grid_of(
            self._capacity, self.history.highest_valid_rps(self.contenders[name].protocol)
        )

    def _known(self, name: str, grid: Grid) -> list[tuple[Probes, Doubted]]:
        """For each SLO what the trials on the grid say of it."""
        index_of = grid.indexes()
        return [
            (
                {index_of[rate]: met for rate, met in probes.items() if rate in index_of},
                {index_of[rate] for rate in doubted if rate in index_of},
            )
            for probes, doubted in self.history.answers(name)
        ]


def forecast_of(
    contenders: Mapping[str, Contender], context: RunContext, until_s: float
) -> Forecast:
    """How the run stands that is in the context's folder (one that is not there has not begun) and
    that ends at until_s on the clock of its tools."""
    experiment = context.experiment
    history = History.read(context.folder, experiment, context.run_id)
    capacity = experiment.capacity
    budget_s, clock = capacity.budget_s if capacity else None, context.tools.clock
    time = Timetable(budget_s, history.spent_s(), until_s, clock)
    return Forecast(context.folder, experiment, contenders, history, time)
