"""What the browser may ask and be told: one object that the thread of the channel and the main
thread share."""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from loadtests.live.view import Contenders, SliceShown, Work, page

HISTORY_S = 180
Answer = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A comparison or a capacity search, to be made by the main thread."""

    kind: str
    form: Mapping[str, Any]


@dataclass
class Desk:
    """contenders: what is known of each. check: FormError's sentence for a form that cannot be
    measured, else empty. save: writes the run that was measured last, and says where, or why not.
    alone: held while load by hand runs; raises LockError where somebody else measures."""

    contenders: Contenders
    check: Callable[[Asked], str]
    save: Callable[[], Answer]
    alone: Callable[[], AbstractContextManager[None]]
    stop_work: Callable[[], None]
    about: Mapping[str, Any]
    work: Work = field(default_factory=Work)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _asked: deque[Asked] = field(default_factory=deque)
    _history: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=HISTORY_S))
    _live: AbstractContextManager[None] | None = None

    def answer(self, message: Mapping[str, Any]) -> Answer:
        """Never waits."""
        what = message.get("ask")
        with self.lock:
            if what == "state":
                return self._state(message.get("live") or {})
            if what == "live begins":
                return self._live_begins()
            if what == "live ends":
                return self._live_ends()
            if what in ("compare", "capacity"):
                return self._measure(Asked(str(what), message.get("form") or {}))
            if what == "stop":
                return self._stop()
            if what == "save":
                return self.save()
        return _refused(f"expected a known question, found {what!r}.")

    def next(self) -> Asked | None:
        """For the main thread; what it takes is at work until done."""
        with self.lock:
            return self._asked.popleft() if self._asked else None

    def say(self, sentence: str) -> None:
        with self.lock:
            self.work.said = sentence

    def slice_seen(self, name: str, shown: SliceShown) -> None:
        with self.lock:
            self.work.slices[name] = shown

    def done(self, sentence: str) -> None:
        with self.lock:
            self.work.running, self.work.said, self.work.left_s = "", sentence, None
            self.work.stopping = False

    @property
    def busy(self) -> bool:
        return bool(self.work.running)

    def _state(self, live: Mapping[str, Any]) -> Answer:
        shown = page(self.contenders.all(), live, self.work, datetime.now(UTC).timestamp())
        if self.work.running or live.get("running"):
            self._history.append(
                {
                    "at_s": shown["at_s"],
                    "rows": {row["name"]: row["chart"] for row in shown["rows"]},
                }
            )
        told = {"about": self.about, "gpu": self.contenders.gpu(), "history": list(self._history)}
        return {
            "ok": True,
            "where": self.contenders.where(),
            "page": {**shown, **told},
        }

    def _live_begins(self) -> Answer:
        if self.busy:
            return _refused(
                f"expected no load beside the {self.work.running} that runs: wait for its end, or "
                "stop it on the page Compare."
            )
        if self._live is None:
            held = self.alone()
            try:
                held.__enter__()
            except Exception as error:
                return _refused(str(error))
            self._live = held
        self.work.slices.clear()
        self.work.said = ""
        return {"ok": True, "said": ""}

    def _live_ends(self) -> Answer:
        live, self._live = self._live, None
        if live:
            live.__exit__(None, None, None)
        return {"ok": True, "said": ""}

    def _measure(self, asked: Asked) -> Answer:
        if self.busy or self._asked:
            return _refused(
                f"expected one measurement at a time, found a {self.work.running} at "
                "work: wait for its end, or stop it."
            )
        if self._live:
            return _refused("expected no load by hand beside a measurement: stop it first.")
        problem = self.check(asked)
        if problem:
            return _refused(problem)
        self.work = Work(running=_NAMES[asked.kind], said="It begins.")
        self._asked.append(asked)
        return {"ok": True, "said": "It begins."}

    def _stop(self) -> Answer:
        if not self.busy:
            return {"ok": True, "said": "Nothing runs."}
        if not self.work.stopping:  # what cleans up must not be stopped in its turn
            self.work.stopping, self.work.said = True, "Stopping."
            self.stop_work()
        return {"ok": True, "said": "Stopping."}


_NAMES = {"compare": "comparison", "capacity": "search for capacity"}


def _refused(sentence: str) -> Answer:
    return {"ok": False, "said": sentence}
