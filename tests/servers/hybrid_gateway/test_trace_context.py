"""Which trace a request belongs to, as W3C Trace Context says."""

import pytest

from servers.hybrid_gateway.trace_context import trace_from

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


def headers(*pairs: tuple[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in pairs]


def test_the_callers_trace_goes_on_with_a_span_of_the_gateway() -> None:
    trace = trace_from(headers(("traceparent", GOOD), ("tracestate", "a=1,b=2")))
    assert (trace.trace_id, trace.parent_id) == (TRACE, SPAN)
    assert trace.span_id != SPAN
    assert trace.metadata() == {
        "x-request-id": trace.request_id,
        "traceparent": f"00-{TRACE}-{trace.span_id}-01",
        "tracestate": "a=1,b=2",
    }


def test_without_a_caller_that_traces_a_trace_begins_that_is_not_sampled() -> None:
    first, second = trace_from([]), trace_from([])
    assert len(first.trace_id) == 32
    assert first.metadata()["traceparent"] == f"00-{first.trace_id}-{first.span_id}-00"
    assert first.trace_id != second.trace_id
    assert first.request_id != second.request_id


@pytest.mark.parametrize(
    "given",
    [
        "",
        GOOD.upper(),
        GOOD[:-1],
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"{GOOD}-more",
        f" {GOOD}",
        f"00-{TRACE}-{SPAN}-zz",
        "\xff" * 55,
    ],
)
def test_a_traceparent_that_is_not_valid_begins_a_new_trace_without_its_state(given: str) -> None:
    trace = trace_from(headers(("traceparent", given), ("tracestate", "a=1")))
    assert trace.trace_id != TRACE
    assert (trace.parent_id, trace.state) == ("", "")


def test_two_traceparents_are_none() -> None:
    assert trace_from(headers(("traceparent", GOOD), ("traceparent", GOOD))).trace_id != TRACE


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    trace = trace_from(headers(("traceparent", f"cc-{TRACE}-{SPAN}-ff-what-comes-next")))
    assert (trace.trace_id, trace.flags) == (TRACE, 3)


def test_several_tracestates_are_one_list() -> None:
    pairs = (("traceparent", GOOD), ("tracestate", "a=1"), ("tracestate", "b=2"))
    assert trace_from(headers(*pairs)).state == "a=1,b=2"


@pytest.mark.parametrize("state", ["", "a" * 513, "a=\xe9", "a=\x01"])
def test_a_state_that_cannot_be_handed_on_is_left_out(state: str) -> None:
    trace = trace_from(headers(("traceparent", GOOD), ("tracestate", state)))
    assert trace.trace_id == TRACE
    assert "tracestate" not in trace.metadata()


def test_the_callers_request_id_is_kept() -> None:
    assert trace_from(headers(("x-request-id", "order-17.b_3"))).request_id == "order-17.b_3"


@pytest.mark.parametrize("given", ["", "a" * 65, "a b", "a\xe9", 'a"b', "a\x00"])
def test_a_request_id_that_could_break_a_log_is_replaced(given: str) -> None:
    assert trace_from(headers(("x-request-id", given))).request_id not in ("", given)
