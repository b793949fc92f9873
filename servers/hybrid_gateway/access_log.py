"""One JSON line for each request, and for whatever else is logged: never a text, never a key.

A path that is not the gateway's own is not written either, nor the message of an exception, which
may quote what it could not take.
"""

import json
import logging
import time
import traceback
from datetime import UTC, datetime
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from servers.hybrid_gateway.facts import Watched, facts_of
from servers.refusals import known_path, reason_of

LOGGER = "gateway"
_FRAMES = 8
_log = logging.getLogger(LOGGER)


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage().strip(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
            line["exception"] = type(error).__name__
            line["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(line)


LOG_CONFIG: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": JsonFormatter}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "json",
            "stream": "ext://sys.stderr",
        }
    },
    "loggers": {
        "uvicorn": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        LOGGER: {"handlers": ["stderr"], "level": "INFO", "propagate": False},
    },
}
"""For logging.config, and so for uvicorn's log_config."""


class LogRequests:
    """ASGI middleware: the line of each request, when its answer has gone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        watched, began_s = Watched(send), time.perf_counter()
        try:
            await self._app(scope, receive, watched)
        except Exception:
            watched.status = watched.status or 500  # what uvicorn answers
            raise
        finally:
            duration_ms = (time.perf_counter() - began_s) * 1000
            fields = fields_of(scope, watched.status, duration_ms)
            _log.info("request", extra={"fields": fields})


def fields_of(scope: Scope, status: int | None, duration_ms: float) -> dict[str, Any]:
    """What a line says; duration_ms counts from the end of the request's head."""
    facts = facts_of(scope)
    found: dict[str, Any] = {
        "method": scope["method"],
        "path": known_path(scope),
        "status": status,
        "duration_ms": round(duration_ms, 3),
    }
    if facts.client:
        found["client"] = facts.client
    if reason := reason_of(scope, status):
        found["reason"] = reason
    if facts.trace:
        found |= {
            "request_id": facts.trace.request_id,
            "trace_id": facts.trace.trace_id,
            "span_id": facts.trace.span_id,
        }
    return found
