"""What limits each contender, in words."""

from collections.abc import Mapping, Sequence

from analysis.decide.bottleneck import (
    FULL,
    SM_FULL,
    Bottleneck,
    BottleneckFound,
    Fell,
    LoadFacts,
    Rule,
)
from analysis.report.words.numbers import exact_percent, level, number, percent
from loadtests.records.trials import CEILING_SHARE

MEANINGS: Mapping[Bottleneck, str] = {
    Bottleneck.CLIENT: "The load generator: it ran above "
    f"{exact_percent(CEILING_SHARE)} of its calibrated ceiling, or it sent later than the validity "
    "rule allows. The server may do more.",
    Bottleneck.MODEL: f"The network itself: engine efficiency is {exact_percent(FULL)} or more, SM "
    f"active is {exact_percent(SM_FULL)} or more, or the network takes most of the time of the one "
    "core that it shares with the front. A faster engine, a larger batch or another device would "
    "help; another server would not.",
    Bottleneck.FRONT: "What stands before the network (HTTP, JSON, tokenising, gateway): the "
    f"device has room, while the server's cores are used to {exact_percent(FULL)} or more, or the "
    f"front to {exact_percent(FULL)} of the one core that a Python interpreter can use.",
    Bottleneck.SERVER_CORES: f"The server's cores are used to {exact_percent(FULL)} or more, and "
    "the network runs on the same cores as the front: CPU time alone does not tell the two apart.",
    Bottleneck.SCHEDULE: "Nothing was full and every request was answered: no higher steady load "
    "was measured.",
    Bottleneck.UNKNOWN: "The contender was saturated, there or at a higher load, and nothing that "
    "was measured there is full: a lock, a queue setting, copies, cores that something else used, "
    "or what was not measured.",
}


ENGINE_EFFICIENCY = (
    "Engine efficiency: the share of the time that the network alone would need for as many "
    "requests. The rest goes to the front (HTTP, JSON, tokenising), batching and waiting."
)
ENGINES_UNKNOWN = (
    "Where no engine efficiency stands beside full server cores, the engine was not measured "
    "alone, and how much of them the network takes is not known."
)


def remarks(found: Sequence[BottleneckFound]) -> list[str]:
    """What stands once below all of them."""
    facts = [f for each in found for f in (each.facts, each.beyond and each.beyond.facts) if f]
    on_cores = any(each.bottleneck is Bottleneck.SERVER_CORES for each in found)
    known = any(each.engine_share is not None for each in facts)
    unknown = on_cores and any(each.engine_share is None for each in facts)
    return [*([ENGINE_EFFICIENCY] if known else []), *([ENGINES_UNKNOWN] if unknown else [])]


def because(found: BottleneckFound) -> str:
    """What was measured at the highest load, at the load above it where nothing was full, and how
    few it answered under more load."""
    text = f"{_because(found.rule, found.facts)}."
    if found.beyond:
        there = _because(found.beyond.rule, found.beyond.facts)
        text += f" At {level(found.beyond.level)} it was saturated: {there}."
    if found.fell and not (found.beyond and found.beyond.level == found.fell.level):
        text += f" {_fell(found.fell)}."
    return text


def _fell(fell: Fell) -> str:
    answered = f"{number(fell.throughput_rps)} of {number(fell.offered_rps)} rps"
    cpu = "" if fell.server_cpu is None else f", server CPU {percent(fell.server_cpu)}"
    return f"At {level(fell.level)} it answered less: {answered}{cpu}"


def _because(rule: Rule, facts: LoadFacts) -> str:
    return f"{_rate_answered(facts.throughput_rps, facts.offered_rps)}; {_full(rule, facts)}"


def _rate_answered(throughput_rps: float, offered_rps: float | None) -> str:
    if offered_rps is None:
        return f"{number(throughput_rps)} rps answered in a closed loop"
    if throughput_rps > offered_rps:  # what was waiting when the window began came on top
        return f"{number(throughput_rps)} rps answered at {number(offered_rps)} rps offered"
    return f"{number(throughput_rps)} of {number(offered_rps)} rps answered"


def _full(rule: Rule, facts: LoadFacts) -> str:
    measured = _measured(facts)
    one_core = f"front and network take turns on {number(facts.server_cores_used)} cores"
    share = percent(facts.engine_share)
    return {
        Rule.CLIENT_CEILING: f"the client's ceiling is {number(facts.ceiling_rps)} rps",
        Rule.SEND_LAG: f"P99 send lag {number(facts.send_lag_p99_ms)} ms, bound "
        f"{number(facts.send_lag_bound_ms)} ms",
        Rule.ENGINE_SHARE: f"engine efficiency {share}",
        Rule.SM_ACTIVE: f"SM active {percent(facts.sm_active)}",
        Rule.NETWORK_ON_ONE_CORE: f"{one_core}, of which the network takes {share}; {measured}",
        Rule.FRONT_CORES: measured,
        Rule.GATEWAY_CORE: f"the gateway uses {number(facts.gateway_cores_used)} cores; {measured}",
        Rule.FRONT_ON_ONE_CORE: f"{one_core}; {measured}",
        Rule.SERVER_CORES: measured,
        Rule.NOTHING_FULL: measured,
    }[rule]


def _measured(facts: LoadFacts) -> str:
    shares = (
        ("server CPU", facts.server_cpu),
        ("engine efficiency", facts.engine_share),
        ("SM active", facts.sm_active),
        ("GPU time busy", facts.gpu_busy),
    )
    known = [f"{name} {percent(share)}" for name, share in shares if share is not None]
    return ", ".join(known) or "neither CPU nor device was measured"
