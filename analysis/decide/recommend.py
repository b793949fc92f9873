"""Which contender to choose at which arrival rate."""

from collections.abc import Mapping, Sequence

from pydantic import Field

from analysis.capacity.certified import Capacity
from analysis.compare.aa_test import NoiseFloor, margins
from analysis.compare.intervals import Metric
from analysis.compare.verdicts import Repeats, Verdict
from analysis.decide.choose import Candidates, Choice, CpuVerdict, choose
from analysis.read.value import Value
from analysis.validity.reasons import Reason
from analysis.validity.trials import TrialResult


class Recommendation(Value):
    """The answer, with what it rests on."""

    choices: list[Choice] = Field(description="Answers by range of arrival rates, ascending.")
    tested_rps: list[float] = Field(description="Every arrival rate tested, ascending.")
    out: list[str] = Field(description="Contenders that answered wrongly or never started.")


def recommend(candidates: Candidates, cpu_verdict: CpuVerdict) -> Recommendation:
    """The recommendation over all tested arrival rates."""
    tested = {rate.rate_rps for capacity in candidates.capacities for rate in capacity.rates}
    return Recommendation(
        choices=choose(candidates, sorted(tested), cpu_verdict),
        tested_rps=sorted(tested),
        out=sorted(candidates.out),
    )


def candidates_of(
    capacities: Sequence[Capacity],
    n_components: Mapping[str, int],
    trials: Sequence[TrialResult],
) -> Candidates:
    """Every contender but those that answered wrongly in a trial, or completed none."""
    wrong = {
        trial.contender
        for trial in trials
        if any(finding.reason is Reason.PARITY_BROKEN for finding in trial.findings)
    }
    tried = {trial.contender for trial in trials}
    lasted = {trial.contender for trial in trials if trial.completed}
    return Candidates(capacities, n_components, frozenset(wrong | (tried - lasted)))


def cpu_verdicts(repeats: Repeats, floor: NoiseFloor | None, least: float) -> CpuVerdict:
    """Compares server CPU at the common arrival rate nearest to the one asked for."""

    def verdict(before: str, after: str, rate_rps: float) -> Verdict:
        levels = repeats.common_levels(before, after)
        if not levels:
            return Verdict.NOT_ENOUGH_EVIDENCE
        level = levels[min(levels, key=lambda tested_rps: abs(tested_rps - rate_rps))]
        found = repeats.compare(before, after, level, margins(floor, level, least))
        cpu = [ratio.verdict for ratio in found if ratio.metric is Metric.CPU]
        return cpu[0] if cpu else Verdict.NOT_ENOUGH_EVIDENCE

    return verdict
