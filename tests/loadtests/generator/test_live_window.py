import pytest

from loadtests.generator.live_window import WINDOW_S, LiveWindow


def test_figures_are_of_the_last_seconds_and_count_from_the_scheduled_time() -> None:
    window = LiveWindow(0.0)
    for k in range(1000):  # a hundred a second, each answered after 20 ms
        window.offered(k / 100)
        window.done(k / 100, k / 100 + 0.02, ok=True)
    found = window.figures(10.02)
    assert found.offered_rps == pytest.approx(100, rel=0.01)
    assert found.answered_rps == pytest.approx(100, rel=0.01)
    assert found.p50_ms == pytest.approx(20)
    assert found.p99_ms == pytest.approx(20)
    assert found.failed_ratio == 0
    assert found.waiting == 0


def test_a_failure_is_an_error_and_no_latency() -> None:
    window = LiveWindow(0.0)
    for k in range(4):
        window.offered(1.0)
        window.done(1.0, 1.5 + k / 10, ok=k > 0)
    found = window.figures(2.0)
    assert found.failed_ratio == pytest.approx(0.25)
    assert found.n_answered == 3
    assert found.p99_ms == pytest.approx(800)


def test_of_what_waits_no_latency_is_known_but_it_is_counted() -> None:
    window = LiveWindow(0.0)
    window.offered(1.0)
    found = window.figures(2.0)
    assert (found.waiting, found.p50_ms, found.failed_ratio) == (1, None, None)
    assert found.offered_rps == pytest.approx(0.5)  # since the load began, two seconds ago


def test_what_is_older_than_the_window_is_forgotten() -> None:
    window = LiveWindow(0.0)
    window.offered(0.0)
    window.done(0.0, 0.1, ok=True)
    assert window.figures(0.2 + WINDOW_S).n_answered == 0
