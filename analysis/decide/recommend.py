"""Which contender to choose at which arrival rate."""

from collections.abc import Mapping, Sequence

from pydantic import Field

from analysis.capacity.certified import Capacity
from analysis.compare.aa_test import NoiseFloor, margins
from analysis.compare.intervals import Metric
from analysis.compare.verdicts import Repeats, Verdict
from analysis.decide.asked import Asked
from analysis.decide.at_rate import Decision, decide_at, rate_to_decide
from analysis.decide.choose import Candidates, Choice, CpuVerdict, choose
from analysis.decide.complexity import complexity
from analysis.read.contenders import ContenderFacts
from analysis.read.value import Value
from analysis.validity.reasons import Reason
from analysis.validity.trials import TrialResult
from loadtests.records.experiment import Experiment


class Recommendation(Value):
    """The answer, with what it rests on."""

    choices: list[Choice] = Field(description="Answers by range of arrival rates, ascending.")
    tested_rps: list[float] = Field(description="Every arrival rate tested, ascending.")
    out: list[str] = Field(description="Contenders that answered wrongly or never started.")
    weights: dict[str, float] = Field(
        default={},
        description="Weights given for items of operational complexity; 1 for any other.",
    )
    decision: Decision | None = Field(
        default=None, description="The decision for one rate; null: no rate was tested."
    )


def recommend(
    candidates: Candidates, cpu_verdict: CpuVerdict, experiment: Experiment, asked: Asked
) -> Recommendation:
    """The recommendation over all tested arrival rates, and the decision for one."""
    tested = sorted({rate.rate_rps for c in candidates.capacities for rate in c.rates})
    rate_rps = asked.at_rate_rps or rate_to_decide(experiment, candidates.capacities)
    return Recommendation(
        choices=choose(candidates, tested, cpu_verdict),
        tested_rps=tested,
        out=sorted(candidates.out),
        weights=dict(asked.weights),
        decision=(
            decide_at(candidates, rate_rps, cpu_verdict, tested, asked)
            if rate_rps and tested
            else None
        ),
    )


def candidates_of(
    capacities: Sequence[Capacity],
    contenders: Sequence[ContenderFacts],
    weights: Mapping[str, float],
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
    return Candidates(
        capacities,
        {contender.name: complexity(contender, weights) for contender in contenders},
        blocking=frozenset(c.name for c in contenders if c.blocks_health),
        out=frozenset(wrong | (tried - lasted)),
    )


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
