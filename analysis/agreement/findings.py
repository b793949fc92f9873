"""What one run says of two contenders, whichever two they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from analysis.capacity.certified import Capacity
from analysis.compare.aa_test import NoiseFloor, margins
from analysis.compare.ablation import Change
from analysis.compare.intervals import Metric
from analysis.compare.ratios import CapacityRatio, capacity_ratio
from analysis.compare.verdicts import Ratio, Repeats, Verdict
from analysis.read.contenders import ContenderFacts
from analysis.read.run import load_run
from analysis.read.value import Value
from analysis.report.summary import summarise
from analysis.validity.trials import ceilings, judge_trials
from loadtests.records.manifest import Manifest


class Figure(StrEnum):
    """What runs are asked to agree on; the codes of Metric, and capacity."""

    P50 = Metric.P50.value
    P99 = Metric.P99.value
    CPU = Metric.CPU.value
    CAPACITY = "capacity"


AT_A_LEVEL = (Figure.P50, Figure.P99, Figure.CPU)


class Found(Value):
    """One contender over another in one figure, as one run has it."""

    ratio: float | None = Field(description="The later contender over the earlier; null: unknown.")
    low: float | None = Field(description="Lower end of its 95 % interval; null: no interval.")
    high: float | None = Field(description="Upper end; null: no interval.")
    verdict: Verdict = Field(description="What this run claims of it.")

    @property
    def reached(self) -> bool:
        return self.verdict is not Verdict.NOT_ENOUGH_EVIDENCE


class Pair(NamedTuple):
    """Two contenders, the one without a change first."""

    before: str
    after: str


@dataclass(frozen=True)
class Findings:
    """A run, ready to be asked. steps: its ablation, with what changes in each."""

    manifest: Manifest
    contenders: Mapping[str, ContenderFacts]
    steps: Mapping[Pair, tuple[Change, ...]]
    noise_floor: NoiseFloor | None
    _capacities: Mapping[str, Capacity]
    _repeats: Repeats

    @property
    def run_id(self) -> str:
        return self.manifest.run_id

    def levels(self, pair: Pair) -> dict[float, str]:
        """Names of the load levels at which both were measured in the same round, by rate."""
        return self._repeats.common_levels(*pair)

    def at(self, pair: Pair, level: str) -> dict[Figure, Found]:
        """What is known of two contenders at one load level."""
        least = margins(self.noise_floor, level, self.manifest.experiment.min_difference)
        return figures(self._repeats.compare(*pair, level, least))

    def capacity(self, pair: Pair) -> Found | None:
        """Estimated capacity under the main SLO; None where one of the two had a single rate, which
        is no search for it."""
        before, after = (self._capacities.get(name) for name in pair)
        if before is None or after is None or min(len(before.rates), len(after.rates)) < 2:
            return None
        least = self.manifest.experiment.least_capacity_difference
        return _found(capacity_ratio(after, before, least))


def figures(ratios: list[Ratio]) -> dict[Figure, Found]:
    """Of the ratios at one load level, those that runs are asked to agree on."""
    by_metric = {ratio.metric.value: ratio for ratio in ratios}
    return {
        figure: _found(found) for figure in AT_A_LEVEL if (found := by_metric.get(figure.value))
    }


def _found(ratio: Ratio | CapacityRatio) -> Found:
    return Found(ratio=ratio.ratio, low=ratio.low, high=ratio.high, verdict=ratio.verdict)


def read_findings(folder: Path) -> Findings:
    """Derives from a run's records what its report says; RecordError where it cannot be read."""
    run = load_run(folder)
    summary = summarise(run)
    experiment = run.manifest.experiment
    main = [capacity for capacity in summary.capacities if capacity.slo == experiment.slo]
    return Findings(
        manifest=run.manifest,
        contenders={facts.name: facts for facts in summary.contenders},
        steps={Pair(step.before, step.after): tuple(step.changes) for step in summary.ablation},
        noise_floor=summary.noise_floor,
        _capacities={capacity.contender: capacity for capacity in main},
        _repeats=Repeats(judge_trials(run, ceilings(run)), experiment),
    )
