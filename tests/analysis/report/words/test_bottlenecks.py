import re

import pytest

from analysis.decide.bottleneck import Bottleneck, BottleneckFound, LoadFacts, Rule
from analysis.report.words.bottlenecks import (
    ENGINE_EFFICIENCY,
    ENGINES_UNKNOWN,
    MEANINGS,
    because,
    remarks,
)


def told(rule: Rule, offered_rps: float | None = 200.0, **facts: object) -> str:
    sentence = because(
        BottleneckFound(
            contender="a",
            level="200rps",
            bottleneck=Bottleneck.UNKNOWN,
            rule=rule,
            facts=LoadFacts(offered_rps=offered_rps, throughput_rps=190.0, **facts),
            beyond=None,
            fell=None,
        )
    )
    return sentence.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("rule", "facts", "sentence"),
    [
        (
            Rule.CLIENT_CEILING,
            {"ceiling_rps": 300.0},
            "190 of 200 rps answered; the client's ceiling is 300 rps.",
        ),
        (
            Rule.SEND_LAG,
            {"send_lag_p99_ms": 12.0, "send_lag_bound_ms": 10.0},
            "190 of 200 rps answered; P99 send lag 12.0 ms, bound 10.0 ms.",
        ),
        (
            Rule.ENGINE_SHARE,
            {"engine_share": 0.95},
            "190 of 200 rps answered; engine efficiency 95.0 %.",
        ),
        (
            Rule.GATEWAY_CORE,
            {"gateway_cores_used": 0.97, "sm_active": 0.2},
            "190 of 200 rps answered; the gateway uses 0.970 cores; SM active 20.0 %.",
        ),
        (
            Rule.NOTHING_FULL,
            {},
            "190 of 200 rps answered; neither CPU nor device was measured.",
        ),
    ],
)
def test_a_bottleneck_is_told_with_what_was_measured(rule, facts, sentence):
    assert told(rule, **facts) == sentence


def test_on_shared_cores_the_sentence_says_what_can_be_separated():
    with_engine = told(Rule.SERVER_CORES, server_cpu=0.95, engine_share=0.4)
    assert with_engine.endswith("server CPU 95.0 %, engine efficiency 40.0 %.")
    assert told(Rule.SERVER_CORES, server_cpu=0.95).endswith("server CPU 95.0 %.")


def test_what_engine_efficiency_means_or_that_it_is_unknown_is_said_once_below_all(collapsing):
    bottlenecks = collapsing().bottlenecks
    assert remarks(bottlenecks) == [ENGINES_UNKNOWN]
    measured = bottlenecks[0].facts.model_copy(update={"engine_share": 0.4})
    known = [bottlenecks[0].model_copy(update={"facts": measured})]
    assert remarks(known) == [ENGINE_EFFICIENCY]


def test_more_answers_than_arrivals_in_a_window_are_not_a_part_of_them():
    assert told(Rule.NOTHING_FULL, offered_rps=185.0).startswith(
        "190 rps answered at 185 rps offered;"
    )
    assert told(Rule.NOTHING_FULL, offered_rps=None).startswith(
        "190 rps answered in a closed loop;"
    )


def test_what_was_full_only_above_the_highest_load_is_told_with_its_level_and_once(collapsing):
    (found,) = collapsing(cpu=0.97, cpu_at_200=0.6).bottlenecks
    assert re.search(
        r"server CPU 60\.0\W%\. At 400 rps it was saturated: \d\d\.\d of \d+ rps answered; server "
        r"CPU 97\.0\W%\.$",
        because(found),
    )


def test_a_contender_that_answers_less_under_more_load_is_told_with_the_level(collapsing):
    (found,) = collapsing().bottlenecks
    assert re.search(
        r"At 400 rps it answered less: \d\d\.\d of \d+ rps, server CPU 95\.0\W%\.$", because(found)
    )


def test_every_bottleneck_is_explained():
    assert list(MEANINGS) == list(Bottleneck)
