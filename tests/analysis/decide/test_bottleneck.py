import pytest

from analysis.decide.bottleneck import Bottleneck, LoadFacts, Rule, find_bottleneck

IDLE = {"on_gpu": True, "sm_active": 0.2, "server_cpu": 0.3, "server_cores_used": 2.4}


def facts(throughput_rps: float = 100.0, **changes: object) -> LoadFacts:
    return LoadFacts(**{"offered_rps": 100.0, "throughput_rps": throughput_rps} | changes)


@pytest.mark.parametrize(
    ("bottleneck", "measured"),
    [
        (Bottleneck.CLIENT, facts(ceiling_rps=150.0, server_cpu=0.95)),
        (Bottleneck.CLIENT, facts(send_lag_p99_ms=12.0, send_lag_bound_ms=10.0)),
        (Bottleneck.CLIENT, facts(offered_rps=None, ceiling_rps=150.0)),
        (Bottleneck.MODEL, facts(engine_share=0.9, server_cpu=0.99)),
        (Bottleneck.MODEL, facts(on_gpu=True, sm_active=0.8)),
        (Bottleneck.FRONT, facts(on_gpu=True, sm_active=0.2, server_cpu=0.9)),
        (Bottleneck.FRONT, facts(on_gpu=True, engine_share=0.3, server_cpu=0.9)),
        (Bottleneck.FRONT, facts(**IDLE | {"gateway_cores_used": 0.9})),
        (Bottleneck.SERVER_CORES, facts(server_cpu=0.9)),
        (Bottleneck.SERVER_CORES, facts(server_cpu=0.9, engine_share=0.4)),
        (Bottleneck.SCHEDULE, facts(server_cpu=0.89, engine_share=0.89, ceiling_rps=200.0)),
        (Bottleneck.SCHEDULE, facts(offered_rps=None)),
        (Bottleneck.SCHEDULE, facts(**IDLE)),
        (Bottleneck.UNKNOWN, facts(90.0, saturated=True, server_cpu=0.5)),
        (Bottleneck.UNKNOWN, facts(90.0, saturated=True, **IDLE)),
    ],
)
def test_the_limit_is_what_was_full(bottleneck, measured):
    assert find_bottleneck(measured)[0] is bottleneck


@pytest.mark.parametrize(
    ("bottleneck", "changes"),
    [
        (Bottleneck.FRONT, {"engine_share": 0.3}),
        (Bottleneck.FRONT, {"gpu_busy": 0.4}),
        (Bottleneck.MODEL, {"engine_share": 0.6}),
        # The core may spin while it waits for the GPU.
        (Bottleneck.UNKNOWN, {"gpu_busy": 0.97}),
        (Bottleneck.UNKNOWN, {"gpu_busy": None}),
        (Bottleneck.FRONT, {"gpu_busy": 0.97, "engine_share": 0.3}),
        (Bottleneck.UNKNOWN, {"server_cores_used": 1.5}),
    ],
)
def test_front_and_network_on_one_core_are_told_apart_by_the_engine_s_share(bottleneck, changes):
    one_core = IDLE | {"saturated": True, "server_cpu": 0.12, "server_cores_used": 1.0}
    assert find_bottleneck(facts(40.0, **one_core | changes))[0] is bottleneck


def test_time_busy_alone_never_makes_the_model_the_bottleneck():
    busy = facts(
        40.0, saturated=True, on_gpu=True, gpu_busy=1.0, server_cpu=0.2, server_cores_used=1.6
    )
    assert find_bottleneck(busy) == (Bottleneck.UNKNOWN, Rule.NOTHING_FULL)


def test_each_contender_of_a_run_has_its_limit_at_its_highest_load(gpu_summary):
    found = {limit.contender: limit for limit in gpu_summary.bottlenecks}
    # Saturated at two levels alike, so that chance decides which is its highest load.
    del found["fastapi-tuned"]
    assert {name: limit.bottleneck for name, limit in found.items()} == {
        "fastapi": Bottleneck.MODEL,
        "litserve": Bottleneck.CLIENT,
        "triton": Bottleneck.MODEL,
        "triton-x2": Bottleneck.MODEL,
        "hybrid": Bottleneck.FRONT,
    }
    assert found["hybrid"].rule is Rule.GATEWAY_CORE
    assert found["hybrid"].facts.gateway_cores_used == pytest.approx(0.97, abs=0.001)
    assert found["hybrid"].level == "1600rps"


def test_without_a_gpu_the_server_s_cores_are_named(searched_summary):
    found = {limit.contender: limit.bottleneck for limit in searched_summary.bottlenecks}
    assert found["fastapi"] is Bottleneck.SERVER_CORES
    assert "broken" not in found


def test_a_trial_that_is_saturated_is_never_said_to_have_answered_what_was_asked(collapsing):
    """One of two repeats did not keep up; together they answered 97 % of the arrivals."""
    summary = collapsing({200.0: (0.001, 0.00535)}, cpu=0.5)
    (point,) = summary.points
    assert point.saturated
    assert point.metrics.throughput_rps > 0.95 * point.metrics.offered_rps
    (found,) = summary.bottlenecks
    assert found.bottleneck is Bottleneck.UNKNOWN


def test_a_contender_that_fell_at_a_higher_load_was_not_asked_for_too_little(collapsing):
    (found,) = collapsing(cpu=0.5).bottlenecks
    assert found.level == "200rps"
    assert found.bottleneck is Bottleneck.UNKNOWN


def test_what_is_full_only_beyond_the_highest_load_is_named_with_its_load(collapsing):
    (found,) = collapsing(cpu=0.97, cpu_at_200=0.6).bottlenecks
    assert (found.level, found.bottleneck) == ("200rps", Bottleneck.SERVER_CORES)
    assert (found.rule, found.facts.server_cpu) == (
        Rule.NOTHING_FULL,
        pytest.approx(0.6, abs=0.001),
    )
    assert (found.beyond.level, found.beyond.rule) == ("400rps", Rule.SERVER_CORES)


def test_how_few_a_contender_answered_beyond_its_highest_load_is_said_apart(collapsing):
    (found,) = collapsing().bottlenecks
    assert (found.fell.level, found.beyond) == ("400rps", None)
    assert found.fell.throughput_rps < found.facts.throughput_rps
