"""What the gateway's OpenAPI document says beside that of every HTTP contender: its features."""

from typing import Any

from fastapi import FastAPI

from servers.http_service import COUNTED_PATHS
from servers.hybrid_gateway.auth import OPEN_PATHS
from servers.hybrid_gateway.calls import TIMEOUT_HEADER
from servers.hybrid_gateway.features import Features
from servers.hybrid_gateway.problems import MEDIA_TYPE, ProblemDetails

_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_DETAILS = {"$ref": "#/components/schemas/ProblemDetails"}
_UNKNOWN = "No key or token, or one that is not valid; WWW-Authenticate says what is expected."
_FORBIDDEN = "The client is known, and this is not his to do."
_TOO_MANY = "The client's limits are used up; Retry-After says in how many seconds they are not."
_TIMEOUT = {
    "name": TIMEOUT_HEADER,
    "in": "header",
    "description": "Seconds after which the caller waits no more; at most the gateway's own.",
    "schema": {"type": "number", "exclusiveMinimum": 0},
}
_SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}


def describe_features(app: FastAPI, features: Features) -> None:
    """To be called after describe_refusals, whose document it adds to."""
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        is_new = app.openapi_schema is None
        document = generated()
        if is_new:
            _add(document, features)
        return document

    # FastAPI documents this assignment as the way to extend a schema.
    app.openapi = openapi  # type: ignore[method-assign]


def _add(document: dict[str, Any], features: Features) -> None:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _add_to_operation(path, operation, features)
    components = document["components"]
    if features.auth != "off":
        schemes = _SCHEMES if features.auth == "keys" else {"bearer": _SCHEMES["bearer"]}
        components["securitySchemes"] = schemes
    if features.problem_details:
        components["schemas"]["ProblemDetails"] = ProblemDetails.model_json_schema()


def _add_to_operation(path: str, operation: dict[str, Any], features: Features) -> None:
    answers = operation["responses"]
    if path in COUNTED_PATHS:
        operation.setdefault("parameters", []).append(_TIMEOUT)
        if features.are_limited:
            answers["429"] = _refusal(_TOO_MANY)
    if features.auth != "off" and path not in OPEN_PATHS:
        answers |= {"401": _refusal(_UNKNOWN), "403": _refusal(_FORBIDDEN)}
        names = ("key", "bearer") if features.auth == "keys" else ("bearer",)
        operation["security"] = [{name: []} for name in names]
    if features.problem_details:
        for answer in answers.values():
            _as_details(answer)


def _refusal(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _PROBLEM}}}


def _as_details(answer: dict[str, Any]) -> None:
    if answer.get("content", {}).get("application/json", {}).get("schema") == _PROBLEM:
        answer["content"] = {MEDIA_TYPE: {"schema": _DETAILS}}
