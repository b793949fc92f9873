"""Which contender to choose at which arrival rate, on what conditions, and what would flip it."""

from collections.abc import Mapping, Sequence

from pydantic import Field

from analysis.capacity.certified import Capacity
from analysis.capacity.load_points import Point, SloVerdict
from analysis.compare.aa_test import NoiseFloor, margins
from analysis.compare.bootstrap import Metric
from analysis.compare.verdicts import Repeats, Verdict
from analysis.decide.choose import Answer, Candidates, Choice, CpuVerdict, choose
from analysis.read.contenders import ContenderFacts
from analysis.read.value import Value
from analysis.report.wording import number
from analysis.validity.reasons import Reason
from analysis.validity.trials import TrialResult
from loadtests.records.experiment import Slo
from loadtests.records.manifest import Manifest

_FORMS = {
    "embedded": "embedded (started by the study, as processes of this machine)",
    "gateway": "gateway embedded, the Triton behind it external",
    "external": "external (it ran already, and the study did not start it)",
}
_ARRIVALS = {"poisson": "Poisson", "trace": "recorded"}


class Recommendation(Value):
    """The answer, with what it rests on."""

    choices: list[Choice] = Field(description="Answers by range of arrival rates, ascending.")
    conditions: list[str] = Field(description="What the answer holds for, and nothing else.")
    reversals: list[str] = Field(description="What would change the answer.")


def recommend(
    candidates: Candidates,
    points: Sequence[Point],
    cpu_verdict: CpuVerdict,
    manifest: Manifest,
    contenders: Sequence[ContenderFacts],
) -> Recommendation:
    """The recommendation over all tested arrival rates."""
    tested = {rate.rate_rps for capacity in candidates.capacities for rate in capacity.rates}
    choices = choose(candidates, sorted(tested), cpu_verdict)
    return Recommendation(
        choices=choices,
        conditions=_conditions(manifest, contenders, sorted(tested)),
        reversals=_reversals(choices, candidates.capacities, points, manifest.experiment.slo),
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


def _conditions(
    manifest: Manifest, contenders: Sequence[ContenderFacts], rates: Sequence[float]
) -> list[str]:
    experiment, model = manifest.experiment, manifest.model
    arrivals = experiment.load.arrivals.kind
    covered = ", ".join(f"{rate:.4g}" for rate in rates) or "none"
    cores = {role: len(numbers) for role, numbers in manifest.cores.items()}
    return [
        f"Machine: {manifest.machine}; cores given to the server: {cores.get('server', 0)}, to "
        f"the load generator: {cores.get('load', 0)}.",
        _forms(contenders),
        f"Model: {model.name}, {model.weights} weights, digest {model.digest[:12]}.",
        f"SLO: {experiment.slo}; latency counts from the scheduled time of arrival.",
        f"Traffic: {manifest.traffic.source}, {manifest.traffic.n_texts:,} texts, one text a "
        f"request, {_ARRIVALS.get(arrivals, arrivals)} arrivals.",
        f"Arrival rates tested: {covered} rps; planned repeats of each planned rate: "
        f"{experiment.repeats}. A contender that meets the SLO at one rate is taken to meet it at "
        "every lower one, and one that misses it to miss it at every higher one; nothing is said "
        "about rates above or between those tested.",
    ]


def _forms(contenders: Sequence[ContenderFacts]) -> str:
    by_form: dict[str, list[str]] = {}
    for contender in contenders:
        by_form.setdefault(_FORMS.get(contender.form, contender.form), []).append(contender.name)
    named = [f"{form}: {', '.join(names)}" for form, names in by_form.items()]
    return f"Form: {'; '.join(by_form if len(by_form) == 1 else named) or 'nothing was started'}."


def _reversals(
    choices: Sequence[Choice], capacities: Sequence[Capacity], points: Sequence[Point], slo: Slo
) -> list[str]:
    known = {capacity.contender: capacity for capacity in capacities}
    measured = {(p.contender, p.rate_rps): p for p in points}
    found = []
    for choice in choices:
        if choice.contender is not None:
            point = measured.get((choice.contender, choice.to_rps))
            found.append(
                f"{choice.rates}: P{slo.percentile:g} of {choice.contender} above "
                f"{slo.latency_ms:g} ms{_measured(point)} or more than {slo.max_error_ratio:.2%} "
                "of its requests failed; a contender with fewer components that meets the SLO. "
                f"Certified: {known[choice.contender]}."
            )
        elif choice.answer is Answer.NONE_MEETS_SLO:
            found.append(f"{choice.rates}: a looser SLO, more cores or a quicker contender.")
        else:
            found.append(f"{choice.rates}: valid measurements of what is missing.")
    return [*found, "Another model, text length, machine, number of cores, SLO or form of start."]


def _measured(point: Point | None) -> str:
    if point is None or point.metrics is None or point.slo_verdict is not SloVerdict.MET:
        return ""
    latency_ms = point.metrics.latency_slo_ms
    if latency_ms is None:
        return ""
    return f" (measured at {point.rate_rps:.4g} rps: {number(latency_ms)} ms)"
