"""What an app's OpenAPI document says of refusals: what the server really sends."""

from typing import Any

from fastapi import FastAPI

from servers.contract import ARRIVES_WITHIN_S, MAX_BODY_BYTES, Health, Problem

_REFUSALS = {
    "408": f"The request did not arrive whole within {ARRIVES_WITHIN_S:g} s.",
    "413": f"The body has more than {MAX_BODY_BYTES} bytes.",
    "422": "The request is not valid; detail names the field.",
    "503": "The model cannot answer now; the header Retry-After says in how many seconds it may.",
}
_FASTAPIS_OWN = ("HTTPValidationError", "ValidationError")
"""FastAPI's 422 carries a list; what is sent here is one sentence."""


def describe_refusals(app: FastAPI) -> None:
    """Makes app describe the refusals that all HTTP contenders share, in one model."""
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_refusals(generated())
        return app.openapi_schema

    # FastAPI documents this assignment as the way to extend a schema.
    app.openapi = openapi  # type: ignore[method-assign]


def _with_refusals(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in _FASTAPIS_OWN:
        schemas.pop(name, None)
    for model in (Problem, Health):
        schemas[model.__name__] = model.model_json_schema()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            answers = operation["responses"]
            if "requestBody" in operation:
                answers.update({code: _json(Problem, why) for code, why in _REFUSALS.items()})
            elif path.startswith("/health/"):
                answers["200"] = _json(Health, "It is.")
                answers["503"] = _json(Health, "It is not.")
            else:
                answers["503"] = _json(Problem, _REFUSALS["503"])
    return document


def _json(model: type[Problem] | type[Health], description: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}
