"""What the leading Locust process and its load workers say to each other over Locust's channel."""

from collections.abc import Callable
from typing import Any, Protocol

READY, PREPARED, PONG, ROWS, FAILED = (
    *("replay_ready", "replay_prepared", "replay_pong", "replay_rows", "replay_failed"),
)
"""Of a worker, in the order of a slice; FAILED ends it wherever it is."""

TEXTS, PREPARE, PING, START = "replay_texts", "replay_prepare", "replay_ping", "replay_start"
"""Of the leader. Without workers Locust delivers both to the one process that is there."""


class Message(Protocol):
    type: str
    data: Any
    node_id: str


class Runner(Protocol):
    """What is used of a runner of Locust's."""

    @property
    def stats(self) -> Any: ...
    def send_message(
        self, msg_type: str, data: Any = None, client_id: str | None = None
    ) -> None: ...
    def register_message(self, msg_type: str, listener: Callable[..., None]) -> None: ...
    def quit(self) -> None: ...
