"""The recommendation in words: why, on what conditions, and what would change it."""

from collections.abc import Sequence

from analysis.capacity.certified import Capacity, CapacityStatus
from analysis.decide.choose import Answer, Because, Choice, Why
from analysis.read.contenders import ContenderFacts
from analysis.report.summary import Summary
from analysis.report.words.codes import listed, said
from analysis.report.words.numbers import (
    count,
    exact_percent,
    interval,
    number,
    plain,
    rate,
)
from analysis.report.words.run import rounds
from loadtests.records.experiment import Slo
from loadtests.records.manifest import Manifest

_FORMS = {
    "embedded": "embedded (started by the study, as processes of this machine)",
    "gateway": "gateway embedded, the Triton behind it external",
    "external": "external (it was already running, and the study did not start it)",
}
_ARRIVALS = {"poisson": "Poisson", "trace": "recorded"}


def objective(slo: Slo) -> str:
    """An SLO: P99 at most 100 ms, at most 0.1 % of requests failed."""
    failed = exact_percent(slo.max_error_ratio)
    return f"P{slo.percentile:g} at most {slo.latency_ms:g} ms, at most {failed} of requests failed"


def rates(choice: Choice) -> str:
    """The range of arrival rates of an answer: 117 to 183 rps."""
    if choice.from_rps == choice.to_rps:
        return rate(choice.from_rps)
    return f"{plain(choice.from_rps)} to {rate(choice.to_rps)}"


def chosen(choice: Choice) -> str:
    """The contender to choose, or why there is none."""
    return choice.contender or said(choice.answer)


def because(choice: Choice, out: Sequence[str]) -> str:
    """Why an answer is given; out: contenders that are out of the choice."""
    told = (_because(reason, choice, out) for reason in _together(choice.because))
    sentences = list(dict.fromkeys(told))
    if len(sentences) > 1:  # ascending: what is said first does not hold at the highest rate
        first, *between, last = sentences
        sentences = [f"at the lowest of these rates {first}", *between, f"at the highest {last}"]
    if choice.blocks_health:
        sentences.append(f"but {choice.contender} blocks its own health endpoint while it computes")
    return "; ".join(sentences)


def _together(reasons: Sequence[Because]) -> list[Because]:
    """Reasons that differ only in who might meet the SLO, as one."""
    merged: dict[object, Because] = {}
    for reason in reasons:
        same = reason.why, reason.complexity, reason.certified
        might = [*merged.get(same, reason).might, *reason.might]
        merged[same] = reason.model_copy(update={"might": list(dict.fromkeys(might))})
    return list(merged.values())


def _because(reason: Because, choice: Choice, out: Sequence[str]) -> str:
    simplest = f"(complexity {plain(reason.complexity)})"
    equals = f"; {listed(choice.equals)} would do as well" if choice.equals else ""
    might = listed(reason.might)
    return {
        Why.ONLY_CERTIFIED: "the only contender certified to meet the SLO",
        Why.LEAST_COMPLEX: f"certified to meet the SLO, and the simplest {simplest}{equals}",
        Why.LEAST_CPU: f"certified to meet the SLO, and of the simplest {simplest} the one with "
        "the least server CPU",
        Why.NONE_SHOWN: f"no contender is certified, but {might} might meet the SLO",
        Why.SIMPLER_MIGHT: f"{reason.certified} is certified, but {might}, which "
        f"{'is' if len(reason.might) == 1 else 'are'} simpler, might meet the SLO too",
        Why.NEIGHBOURS_DIFFER: f"the tested rates on both sides have other answers ({might})",
        Why.ALL_MISSED: _who_missed(choice, out),
    }[reason.why]


def _who_missed(choice: Choice, out: Sequence[str]) -> str:
    wrong = "gave wrong answers or never started"
    if not choice.measured:
        return f"every contender {wrong}"
    here = "here" if len(choice.rates_rps) == 1 else "at all of these rates"
    if [m.rates_rps for m in choice.measured] == [choice.rates_rps] and not out:
        return f"every contender was measured {here} and missed the SLO"
    named: dict[str, list[str]] = {}
    for measured in choice.measured:
        where = "missed the SLO at a lower rate"
        if measured.rates_rps:
            everywhere = measured.rates_rps == choice.rates_rps
            where = f"measured {here if everywhere else 'at some of these rates'}"
        named.setdefault(where, []).extend(measured.contenders)
    if out:
        named[wrong] = list(out)
    return "; ".join(f"{what}: {listed(names)}" for what, names in named.items())


def capacity_estimate(capacity: Capacity) -> str:
    """Where the capacity lies: the estimate with its interval, else from the certified rate to the
    lowest rate found not met."""
    found = capacity.estimate
    if found is not None and found.rps is None:
        return interval(found.low_rps, None)
    if found is None:
        return interval(capacity.certified_rps, capacity.not_met_rps, plain)
    return f"{number(found.rps)} ({interval(found.low_rps, found.high_rps)})"


def capacity_status(capacity: Capacity) -> str:
    """How well a capacity is known."""
    met, missed = rate(capacity.met_rps), rate(capacity.not_met_rps)
    return {
        CapacityStatus.NOT_TRIED: "no rate was tried",
        CapacityStatus.NOT_MONOTONE: f"not monotone: the SLO was missed at {missed} and met at "
        f"{rate(capacity.certified_above_rps)}; the lower rate counts",
        CapacityStatus.NEVER_MET: "no rate that was tried meets the SLO",
        CapacityStatus.UNDECIDED: "not enough evidence at any rate",
        CapacityStatus.MET_NOT_CERTIFIED: f"met as measured up to {met}, with too few requests to "
        "certify it",
        CapacityStatus.LOWER_BOUND: "certified; no higher rate was found to miss the SLO, so this "
        "is a lower bound",
        CapacityStatus.MET_ABOVE: f"certified; met as measured up to {met}",
        CapacityStatus.MISSED_NEXT: "certified, and missed at the next rate tried",
        CapacityStatus.UNDECIDED_ABOVE: "certified",
    }[capacity.status]


def conditions(summary: Summary) -> list[str]:
    """What the answer holds for, and nothing else."""
    manifest = summary.manifest
    experiment, model, traffic = manifest.experiment, manifest.model, manifest.traffic
    arrivals = experiment.load.arrivals.kind
    tested = ", ".join(map(plain, summary.recommendation.tested_rps)) or "none"
    return [
        f"Machine: {manifest.machine}; {_cores(manifest, 'server')} for the server, "
        f"{_cores(manifest, 'load')} for the load generator.",
        _forms(summary.contenders),
        f"Model: {model.name}, {model.weights} weights, digest {model.digest[:12]}.",
        f"SLO: {objective(experiment.slo)}; latency counts from the scheduled time of arrival.",
        f"Traffic: {traffic.source}, {count(traffic.n_texts)} texts, one text a request, "
        f"{_ARRIVALS.get(arrivals, arrivals)} arrivals.",
        f"Arrival rates tested: {tested} rps, in {rounds(summary)}. "
        "A contender that meets the SLO at one rate is assumed to meet it at every lower rate, and "
        "one that misses it to miss it at every higher rate. The answer does not apply to rates "
        "above those tested, and between them only where both neighbours have it.",
    ]


def _cores(manifest: Manifest, role: str) -> str:
    n = len(manifest.cores.get(role, ()))
    return f"{n} core{'' if n == 1 else 's'}"


def _forms(contenders: Sequence[ContenderFacts]) -> str:
    by_form: dict[str, list[str]] = {}
    for contender in contenders:
        by_form.setdefault(_FORMS.get(contender.form, contender.form), []).append(contender.name)
    named = [f"{form}: {', '.join(names)}" for form, names in by_form.items()]
    return f"Form: {'; '.join(by_form if len(by_form) == 1 else named) or 'nothing was started'}."


def reversals(summary: Summary) -> list[str]:
    """What would change the answer."""
    slo, choices = summary.manifest.experiment.slo, summary.recommendation.choices
    chosen_ones = dict.fromkeys(choice.contender for choice in choices if choice.contender)
    told = []
    if chosen_ones:
        told.append(
            f"P{slo.percentile:g} of a chosen contender above {slo.latency_ms:g} ms, more than "
            f"{exact_percent(slo.max_error_ratio)} of its requests failed, or a simpler contender "
            "that meets the SLO."
        )
    told += [
        _standing(c) for c in summary.capacities if c.slo == slo and c.contender in chosen_ones
    ]
    told += [text for choice in choices if (text := _reversal(choice))]
    return [
        *told,
        "Another model, text length, machine, number of cores or SLO, or services started in "
        "another way.",
    ]


def _reversal(choice: Choice) -> str | None:
    if choice.answer is Answer.CHOOSE:
        return None
    if choice.answer is Answer.NONE_MEETS_SLO:
        return f"{rates(choice)}: a looser SLO, more cores or replicas, or a faster contender."
    return (
        f"{rates(choice)}: enough valid requests to {listed(_who_might(choice))} to certify that "
        "the SLO is met, or to show that it is missed."
    )


def _who_might(choice: Choice) -> list[str]:
    return list(dict.fromkeys(name for reason in choice.because for name in reason.might))


def _standing(capacity: Capacity) -> str:
    """A capacity in one sentence."""
    certified = f"{capacity.contender} is certified at {rate(capacity.certified_rps)}"
    if capacity.not_met_rps is None:
        return f"{certified}; no higher rate was found to miss the SLO."
    return f"{certified} and misses the SLO at {rate(capacity.not_met_rps)}."
