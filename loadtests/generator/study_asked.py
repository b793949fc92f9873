"""What the web UI's process asks of the study process."""

from collections.abc import Mapping
from typing import Any

from gevent.lock import BoundedSemaphore

from loadtests.generator.channel import Channel


class StudyAsked:
    """page: what the study said last of everything; said: a sentence of this process for it."""

    def __init__(self, channel: Channel) -> None:
        self._channel, self._turn = channel, BoundedSemaphore()
        self.page: Mapping[str, Any] = {}
        self.said = ""

    def ask(self, what: str, **more: Any) -> Mapping[str, Any]:
        """EOFError or OSError: the study has gone."""
        with self._turn:
            self._channel.send({"ask": what, **more})
            answer, _ = self._channel.receive()
        if "page" in answer:
            self.page = answer["page"]
        return answer
