"""What a run in progress has shown so far, cheap enough to be worked out after every round."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.capacity.certified import Capacity, capacities
from analysis.capacity.load_points import Point, points
from analysis.compare.ratios import Comparison, comparisons
from analysis.compare.verdicts import Repeats
from analysis.read.run import Run, load_run
from analysis.validity.trials import ceilings, judge_trials
from loadtests.records.experiment import Experiment


@dataclass(frozen=True)
class Interim:
    """The values of a Summary that the first table needs. capacities: under the main SLO."""

    experiment: Experiment
    points: Sequence[Point]
    comparison: Sequence[Comparison]
    capacities: Sequence[Capacity]


def read_interim(run_dir: Path) -> Interim:
    """Of the trials that are complete; RecordError where there is none yet."""
    return interim_of(load_run(run_dir))


def interim_of(run: Run) -> Interim:
    experiment = run.manifest.experiment
    one_slo = experiment.model_copy(update={"more_slos": ()})
    judged = judge_trials(run, ceilings(run))
    repeats = Repeats(judged, experiment)
    return Interim(
        experiment=experiment,
        points=points(judged, run.manifest, {}),
        comparison=comparisons(repeats, None, experiment),
        capacities=capacities(judged, one_slo),
    )
