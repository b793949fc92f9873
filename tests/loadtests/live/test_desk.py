"""What the page is answered: one measurement at a time, and no load by hand beside it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from loadtests.host.locks import LockError
from loadtests.live.desk import Desk
from loadtests.live.view import Shown


class _Contenders:
    def all(self) -> Sequence[Shown]:
        return [Shown("fastapi", "http-json", "", "ready")]

    gpu = staticmethod(lambda: "")

    def where(self) -> Mapping[str, tuple[str, int] | None]:
        return {"fastapi": ("127.0.0.1", 1)}


class _Outside:
    """What the desk acts on."""

    problem = ""
    busy = False
    held = 0
    stops = 0

    @contextmanager
    def alone(self) -> Iterator[None]:
        if self.busy:
            raise LockError("another study measures.")
        self.held += 1
        yield
        self.held -= 1

    def stop(self) -> None:
        self.stops += 1

    def desk(self) -> Desk:
        save = {"ok": True, "said": "Saved."}
        return Desk(
            _Contenders(),
            lambda _: self.problem,
            lambda: save,
            self.alone,
            self.stop,
            {"texts": ""},
        )


@pytest.fixture
def outside() -> _Outside:
    return _Outside()


def ask(desk: Desk, what: str, **more: Any) -> Any:
    return desk.answer({"ask": what, **more})


def test_a_comparison_is_taken_by_the_main_thread_once(outside: _Outside) -> None:
    desk = outside.desk()
    assert ask(desk, "compare", form={"rate_rps": "50"})["ok"]
    assert not ask(desk, "capacity", form={})["ok"]
    asked = desk.next()
    assert asked is not None
    assert (asked.kind, asked.form) == ("compare", {"rate_rps": "50"})
    assert desk.next() is None
    assert "found a comparison at work" in ask(desk, "compare", form={})["said"]
    desk.done("It is measured.")
    assert ask(desk, "capacity", form={})["ok"]


def test_a_form_that_cannot_be_measured_is_refused_with_its_sentence(outside: _Outside) -> None:
    outside.problem = "expected more."
    desk = outside.desk()
    assert ask(desk, "compare", form={}) == {"ok": False, "said": "expected more."}
    assert not desk.busy


def test_load_by_hand_and_a_measurement_exclude_each_other(outside: _Outside) -> None:
    desk = outside.desk()
    assert ask(desk, "live begins")["ok"]
    assert outside.held == 1
    assert "stop it first" in ask(desk, "compare", form={})["said"]
    ask(desk, "live ends")
    assert outside.held == 0
    assert ask(desk, "compare", form={})["ok"]
    assert "no load beside the comparison" in ask(desk, "live begins")["said"]


def test_no_load_by_hand_where_another_study_measures(outside: _Outside) -> None:
    outside.busy = True
    assert ask(outside.desk(), "live begins") == {"ok": False, "said": "another study measures."}


def test_a_reload_of_the_page_finds_the_history_and_the_work(outside: _Outside) -> None:
    desk = outside.desk()
    ask(desk, "compare", form={})
    for _ in range(3):
        page = ask(desk, "state", live={})["page"]
    assert [list(point["rows"]) for point in page["history"]] == [["fastapi"]] * 3
    assert page["work"]["running"] == "comparison"


def test_stop_reaches_what_runs_and_nothing_else(outside: _Outside) -> None:
    desk = outside.desk()
    ask(desk, "stop")
    assert outside.stops == 0
    ask(desk, "compare", form={})
    ask(desk, "stop")
    ask(desk, "stop")  # pressed twice: what cleans up goes on
    assert outside.stops == 1


def test_what_is_no_question_is_refused(outside: _Outside) -> None:
    assert not ask(outside.desk(), "format the disk")["ok"]
