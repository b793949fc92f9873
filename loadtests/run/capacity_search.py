"""The search for capacity in a run: the next probe, from the trials on disk and the time left."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from loadtests.plan import rounds
from loadtests.plan.bisection import Doubted, Grid, Probes, found_index, grid_of, next_for_any
from loadtests.plan.rounds import CandidateRates, PlannedTrial
from loadtests.plan.timetable import Timetable
from loadtests.records.trials import Dropped
from loadtests.run.history import History
from loadtests.spec.experiment import CapacitySpec, Experiment
from servers.discovery import Contender


@dataclass(frozen=True)
class CapacitySearch:
    """Asks loadtests.plan.bisection what to probe, and holds it against the budget of time."""

    experiment: Experiment
    spec: CapacitySpec
    contenders: Mapping[str, Contender]
    history: History
    time: Timetable

    def trials(
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

    def covered_by(self, candidate_rates: CandidateRates) -> bool:
        """Whether every rate found is among those to repeat."""
        return all(
            set(found) <= set(candidate_rates[name]) for name, found in self._rates().items()
        )

    def _probe(self, name: str, rate_rps: float) -> PlannedTrial:
        earlier = self.history.n_probes(name, rate_rps)
        return rounds.probe(self.experiment, self.spec, self.contenders[name], rate_rps, earlier)

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
        return grid_of(self.spec, self.history.highest_valid_rps(self.contenders[name].protocol))

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
