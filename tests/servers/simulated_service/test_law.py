import numpy as np
import pytest

from servers.simulated_service.law import LawError, Queue


def departures(law, arrivals_s: list[float]) -> list[float]:
    queue: Queue[int] = Queue(law)
    done: dict[int, float] = {}
    for number, at_s in enumerate(arrivals_s):
        queue.arrive(at_s, number, number)
        for end_s, items in queue.start(at_s):
            done |= dict.fromkeys(items, end_s)
    for end_s, items in queue.start(1e9):
        done |= dict.fromkeys(items, end_s)
    return [done[number] for number in range(len(arrivals_s))]


def test_one_worker_serves_in_order_each_request_for_the_same_time(law) -> None:
    assert departures(law(service_ms=10.0), [0.0, 0.001, 0.5]) == pytest.approx([0.01, 0.02, 0.51])


def test_a_free_worker_takes_all_that_wait_and_a_batch_costs_its_part_and_each_item(law) -> None:
    batched = law(service_ms=10.0, item_ms=1.0, max_batch=8)
    # The first begins alone at once; the two that came meanwhile go together.
    assert departures(batched, [0.0, 0.001, 0.002]) == pytest.approx([0.011, 0.023, 0.023])


def test_a_batch_holds_no_more_than_max_batch(law) -> None:
    batched = law(service_ms=10.0, max_batch=2)
    found = departures(batched, [0.0, 0.001, 0.002, 0.003])
    assert found == pytest.approx([0.01, 0.02, 0.02, 0.03])


def test_who_arrives_after_a_batch_began_is_not_in_it_even_if_told_late(law) -> None:
    queue: Queue[str] = Queue(law(service_ms=10.0, max_batch=8))
    queue.arrive(0.0, 0, "a")
    queue.start(0.0)
    queue.arrive(0.005, 1, "b")
    queue.arrive(0.015, 2, "c")  # the worker was free at 0.010, and is told so only now
    assert queue.start(0.016) == [(pytest.approx(0.02), ["b"])]
    assert queue.start(0.02) == [(pytest.approx(0.03), ["c"])]


def test_a_resting_worker_goes_on_where_it_stopped(law) -> None:
    resting = law(service_ms=10.0, stall_every_ms=100.0, stall_ms=20.0)
    # Work is done in [0, 80), [100, 180), ... ms.
    assert departures(resting, [0.075, 0.195]) == pytest.approx([0.105, 0.21])


def test_work_longer_than_a_period_rests_in_each(law) -> None:
    resting = law(service_ms=200.0, stall_every_ms=100.0, stall_ms=20.0)
    assert departures(resting, [0.0]) == pytest.approx([0.24])


def test_each_request_leaks_a_little_more_time(law) -> None:
    leaking = law(service_ms=10.0, leak_ms=1.0)
    assert departures(leaking, [0.0, 1.0, 2.0]) == pytest.approx([0.01, 1.011, 2.012])


def test_exponential_times_are_those_of_their_seed(law) -> None:
    drawn_s = np.random.default_rng(5).exponential(size=100_000)[:3] * 0.01
    found = departures(law(distribution="exponential", service_ms=10.0, seed=5), [0.0, 10.0, 20.0])
    assert found == pytest.approx(drawn_s + [0.0, 10.0, 20.0])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"distribution": "none"}, "options.distribution"),
        ({"service_ms": -1.0}, "options.service_ms"),
        ({"servce_ms": 1.0}, "options.servce_ms"),
        ({"stall_ms": 10.0, "stall_every_ms": 10.0}, "expected stall_ms below stall_every_ms"),
        ({"stall_ms": 1.0, "stall_every_ms": 9.0, "max_batch": 2}, "expected max_batch = 1"),
    ],
)
def test_options_that_are_no_law_are_one_sentence(law, options, sentence: str) -> None:
    with pytest.raises(LawError, match=sentence) as caught:
        law(**options)
    assert "\n" not in str(caught.value)
