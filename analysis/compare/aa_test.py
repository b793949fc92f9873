"""The A/A test: what difference the method finds between a contender and itself."""

from collections.abc import Iterable, Mapping

from pydantic import Field

from analysis.compare.intervals import Metric
from analysis.compare.verdicts import MetricRatio, Ratio, Repeats
from analysis.read.value import Value
from analysis.validity.certificate import Check, as_check
from analysis.validity.found import CheckMeasurement, Found
from analysis.validity.reasons import Reason
from loadtests.records.experiment import Experiment


class NoiseLevel(MetricRatio):
    """The A/A test at one load level."""

    level: str = Field(description="Name of the load level.")
    rate_rps: float = Field(description="Arrival rate.")


class NoiseFloor(Value):
    """What the method finds between two runs of the same thing."""

    contender: str = Field(description="The contender that was run twice in each round.")
    aa_copy: str = Field(description="Name of its second run.")
    levels: list[NoiseLevel] = Field(description="What differed, by load level.")

    def margins(self, level: str, least: float) -> dict[Metric, float]:
        """The least difference that is claimed at a level: least, or the proven spread if larger.

        Where a figure is not known twice at a level, its largest at the others stands in.
        """
        return {metric: max(least, self.proven_at(level, metric) or 0.0) for metric in Metric}

    def proven_at(self, level: str, metric: Metric) -> float | None:
        """How far the contender certainly differed from itself in a figure at a level, or at the
        others where that is not known there; None: not known anywhere.

        A spread whose interval includes none counts as 0: the intervals of ratios allow for it.
        """
        here = [found for found in self.levels if found.level == level]
        known = _proven(here, metric) or _proven(self.levels, metric)
        return max(known, default=None)

    def largest(self) -> dict[Metric, float]:
        """How far the contender differed from itself at most, over all levels, by known figure."""
        spreads = {
            metric: [k for r in _ratios(self.levels, metric) if (k := spread(r.ratio)) is not None]
            for metric in Metric
        }
        return {metric: max(known) for metric, known in spreads.items() if known}


def spread(ratio: float | None) -> float | None:
    """How far a ratio is from 1, in either direction: 0.1 for 1.1 and for 1 / 1.1."""
    return max(ratio, 1 / ratio) - 1 if ratio else None


def _proven(levels: Iterable[NoiseLevel], metric: Metric) -> list[float]:
    known = [r for r in _ratios(levels, metric) if r.low is not None and r.high is not None]
    return [spread(r.ratio) or 0.0 if _excludes_one(r) else 0.0 for r in known]


def _excludes_one(ratio: Ratio) -> bool:
    return ratio.low is not None and ratio.high is not None and not ratio.low <= 1 <= ratio.high


def _ratios(levels: Iterable[NoiseLevel], metric: Metric) -> list[Ratio]:
    return [ratio for level in levels for ratio in level.ratios if ratio.metric is metric]


def noise_floor(repeats: Repeats, experiment: Experiment) -> NoiseFloor | None:
    """The noise floor of a run; None where the experiment has none or it was not measured."""
    contender, aa_copy = experiment.aa_test, experiment.aa_copy
    if contender is None or aa_copy is None:
        return None
    levels = [
        NoiseLevel(
            level=level, rate_rps=rate_rps, ratios=repeats.compare(contender, aa_copy, level, {})
        )
        for rate_rps, level in sorted(repeats.common_levels(contender, aa_copy).items())
    ]
    return NoiseFloor(contender=contender, aa_copy=aa_copy, levels=levels) if levels else None


def margins(floor: NoiseFloor | None, level: str, least: float) -> Mapping[Metric, float]:
    """NoiseFloor.margins, or least for every figure where no noise floor was measured."""
    return floor.margins(level, least) if floor else dict.fromkeys(Metric, least)


def noise_checks(
    floor: NoiseFloor | None, levels: Iterable[str], experiment: Experiment
) -> dict[str, Check]:
    """The check for machine noise by load level: did P99 certainly differ by more than matters?"""
    return {
        level: as_check(Reason.MACHINE_NOISE, _noise(floor, level, experiment)) for level in levels
    }


def _noise(floor: NoiseFloor | None, level: str, experiment: Experiment) -> CheckMeasurement:
    contender, least = experiment.aa_test, experiment.min_difference
    if contender is None:
        return CheckMeasurement(None, Found.NO_AA_TEST)
    if floor is None:
        return CheckMeasurement(None, Found.AA_TEST_INVALID, text=contender)
    found = floor.proven_at(level, Metric.P99)
    if found is None:
        return CheckMeasurement(None, Found.P99_NOT_KNOWN_TWICE, text=contender)
    return CheckMeasurement(found > least, Found.P99_SPREAD, found, least, "ratio", text=contender)
