"""Why a request was refused, in one word of a closed list: read by logs, problems and metrics."""

from starlette.types import Scope

from servers.metric_names import CODES, INTERNAL, NO_ANSWER, REASONS, ROUTES

_REASON = "reason"
_ROUTES, _CODES = frozenset(ROUTES), frozenset(CODES)


def note_reason(scope: Scope, reason: str) -> None:
    """Where the status alone would not tell; one of servers.metric_names.ALL_REASONS."""
    scope.setdefault("state", {})[_REASON] = reason


def reason_of(scope: Scope, status: int | None) -> str:
    """status None: nobody was answered; empty: there was no refusal."""
    if status is None:
        return NO_ANSWER
    if status < 400:
        return ""
    noted: str = scope.get("state", {}).get(_REASON, "")
    return noted or REASONS.get(status, INTERNAL)


def known_path(scope: Scope) -> str:
    """The path, where it is one of the server's own: any other may hold anything."""
    path: str = scope["path"]
    return path if path in _ROUTES else "other"


def known_code(status: int | None) -> str:
    code = "none" if status is None else str(status)
    return code if code in _CODES else "other"
