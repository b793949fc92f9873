import json
import subprocess
import sys

import pytest

from servers.discovery import discover
from servers.launch_args import LaunchArgs
from servers.simulated_service.service import ReplyOutcome

PREDICT = b'POST /predict HTTP/1.1\r\ncontent-length: 13\r\n\r\n{"text": "a"}'
STATS = b"GET /stats HTTP/1.1\r\n\r\n"


def ask(simulation, n: int, gap_s: float) -> list[tuple[ReplyOutcome, float]]:
    """n requests, gap_s apart: what became of each and after how many ms."""
    found: list[tuple[ReplyOutcome, float]] = [(ReplyOutcome.DROPPED, -1.0)] * n
    begin_s = simulation.loop.now_s

    def send(number: int) -> None:
        at_s = simulation.loop.now_s

        def reply(outcome: ReplyOutcome) -> None:
            found[number] = (outcome, (simulation.loop.now_s - at_s) * 1000)

        simulation.service.arrive(reply)

    for number in range(n):
        simulation.loop.call_at(begin_s + number * gap_s, send, number)
    simulation.loop.run()
    return found


def test_replies_leave_when_the_law_says(simulate) -> None:
    found = ask(simulate(service_ms=10.0), 3, 0.001)
    assert {outcome for outcome, _ in found} == {ReplyOutcome.ANSWERED}
    assert [ms for _, ms in found] == pytest.approx([10, 19, 28])


def test_requests_between_two_numbers_fail_at_once_and_are_counted(simulate) -> None:
    simulation = simulate(errors_from=2, errors_to=4)
    outcomes = [outcome for outcome, _ in ask(simulation, 6, 0.1)]
    assert [outcome is ReplyOutcome.FAILED for outcome in outcomes] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]
    counters = simulation.service.counters()
    assert (counters.requests_ok, counters.requests_failed) == (4, 2)


def test_the_last_of_drop_every_requests_is_dropped(simulate) -> None:
    outcomes = [outcome for outcome, _ in ask(simulate(drop_every=3), 6, 0.1)]
    assert [outcome is ReplyOutcome.DROPPED for outcome in outcomes] == [False, False, True] * 2


def test_a_miscounting_service_shows_more_answers_than_it_gave(simulate) -> None:
    simulation = simulate(miscount_every=4)
    ask(simulation, 8, 0.1)
    assert simulation.service.counters().requests_ok == 10


def test_batches_are_counted_as_executions(simulate) -> None:
    simulation = simulate(service_ms=10.0, max_batch=8)
    ask(simulation, 3, 0.001)
    counters = simulation.service.counters()
    assert (counters.inferences, counters.executions) == (3, 2)


def latencies_ms(found) -> list[float]:
    return [ms for _, ms in found]


def test_the_law_begins_anew_where_the_counters_were_read(simulate) -> None:
    simulation = simulate(service_ms=10.0, leak_ms=1.0)
    first = ask(simulation, 3, 0.1)
    simulation.service.counters()
    simulation.loop.run(simulation.loop.now_s + 0.001)
    assert latencies_ms(ask(simulation, 3, 0.1)) == pytest.approx(latencies_ms(first))


def test_the_law_goes_on_over_a_pause_of_any_length(simulate) -> None:
    simulation = simulate(service_ms=10.0, leak_ms=1.0)
    assert latencies_ms(ask(simulation, 3, 60.0)) == pytest.approx([10, 11, 12])


def test_the_law_goes_on_where_requests_still_wait(simulate) -> None:
    simulation = simulate(service_ms=400.0, leak_ms=100.0)
    simulation.service.arrive(lambda outcome: None)
    simulation.service.arrive(lambda outcome: None)
    simulation.loop.run(simulation.loop.now_s + 0.6)  # the second, of 500 ms, is done at 0.9 s
    simulation.service.counters()
    ((_, ms),) = ask(simulation, 1, 0.0)
    assert ms == pytest.approx(300 + 600)


def test_lateness_is_told_once_and_is_zero_on_an_exact_clock(simulate) -> None:
    simulation = simulate()
    ask(simulation, 3, 0.1)
    assert json.loads(simulation.service.lateness()) == {"simulated_replies": 3, "late_p99_ms": 0.0}
    assert simulation.service.lateness() is None


def test_lateness_is_that_of_the_replies_since_the_counters_were_read(simulate) -> None:
    simulation = simulate()
    for n in (5, 3):
        ask(simulation, n, 0.1)
        told = json.loads(simulation.service.lateness())
        simulation.service.counters()
        simulation.loop.run(simulation.loop.now_s + 0.001)
        assert told["simulated_replies"] == n


def test_a_request_split_at_any_byte_is_answered_once(simulate) -> None:
    for cut in range(1, len(PREDICT)):
        simulation = simulate()
        connection, transport = simulation.connect()
        connection.data_received(PREDICT[:cut])
        connection.data_received(PREDICT[cut:])
        simulation.loop.run()
        assert transport.text.count("HTTP/1.1 200 OK") == 1


def test_only_a_request_that_is_not_whole_in_time_ends_its_connection(simulate) -> None:
    simulation = simulate()
    (late, late_transport), (whole, whole_transport) = simulation.connect(), simulation.connect()
    late.data_received(PREDICT[:-1])
    whole.data_received(PREDICT[:-1])
    whole.data_received(PREDICT[-1:])
    simulation.loop.run()
    assert (late_transport.closed, whole_transport.closed) == (True, False)


def test_pipelined_requests_are_answered_in_order(simulate) -> None:
    simulation = simulate()
    connection, transport = simulation.connect()
    connection.data_received(PREDICT + STATS + b"GET /nothing HTTP/1.1\r\n\r\n")
    simulation.loop.run()
    answers = transport.text.split("HTTP/1.1 ")[1:]
    assert json.loads(answers[0].split("\r\n\r\n")[1])["label"] == "null"
    assert json.loads(answers[1].split("\r\n\r\n")[1])["requests_ok"] == 1
    assert answers[2].startswith("404")


def test_what_was_answered_leaves_before_a_dropped_request_closes_its_connection(simulate) -> None:
    simulation = simulate(drop_every=1)
    connection, transport = simulation.connect()
    connection.data_received(STATS + PREDICT + STATS)
    assert transport.closed
    assert transport.text.count("HTTP/1.1 200 OK") == 1


def test_requests_that_fail_at_once_are_answered_in_order(simulate) -> None:
    simulation = simulate(errors_from=0, errors_to=2)
    connection, transport = simulation.connect()
    connection.data_received(STATS + PREDICT * 3)
    simulation.loop.run()
    statuses = [answer[:3] for answer in transport.text.split("HTTP/1.1 ")[1:]]
    assert statuses == ["200", "500", "500", "200"]


def test_nothing_more_is_read_while_a_request_waits_behind_another(simulate) -> None:
    simulation = simulate(service_ms=10.0)
    connection, transport = simulation.connect()
    connection.data_received(PREDICT)
    assert not transport.paused
    connection.data_received(PREDICT)
    assert transport.paused
    simulation.loop.run()
    assert not transport.paused
    assert transport.text.count("HTTP/1.1 200 OK") == 2


def test_a_dropped_request_closes_its_connection_without_a_byte(simulate) -> None:
    simulation = simulate(drop_every=1)
    connection, transport = simulation.connect()
    connection.data_received(PREDICT)
    assert transport.closed
    assert transport.written == []


def test_texts_that_come_together_are_served_as_one_request(simulate) -> None:
    simulation = simulate()
    connection, transport = simulation.connect()
    body = b'{"texts": ["a", "b"]}'
    head = b"POST /batch_predict HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body)
    connection.data_received(head + body)
    simulation.loop.run()
    (answer,) = [data for _, data in transport.written]
    assert len(json.loads(answer.split(b"\r\n\r\n")[1])["predictions"]) == 2
    assert simulation.service.counters().inferences == 1


def test_options_that_are_no_law_stop_the_server_with_one_sentence(tmp_path) -> None:
    options = {**discover()["simulated"].options, "distribution": "none"}
    args = LaunchArgs("simulated", "none", "127.0.0.1", 1, {}, tmp_path, tmp_path, 1, options)
    done = subprocess.run(
        [sys.executable, "-m", "servers.simulated_service", *args.to_argv()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("servers.simulated_service: options.distribution")
    assert "Traceback" not in done.stderr
