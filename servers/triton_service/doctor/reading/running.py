"""Asks a running Triton over HTTP what it serves, how it is configured and what it has counted."""

import json
import math
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import quote, urlsplit

from google.protobuf import json_format
from tritonclient.grpc import model_config_pb2 as pb

from servers.triton_service.doctor.config_file import config_of_message
from servers.triton_service.doctor.errors import DoctorError
from servers.triton_service.doctor.models import Model
from servers.triton_service.doctor.running_values import ModelCounters, RunningServer

TIMEOUT_S = 5.0
CANARY_MOST_ITEMS = 1_000_000
METRICS_PORTS_AFTER_HTTP = 2
_REJECTED = re.compile(
    r'^nv_inference_request_failure\{[^}]*model="(?P<model>[^"]*)"[^}]*reason="REJECTED"[^}]*\}'
    r"\s+(?P<count>\d+)",
    re.MULTILINE,
)
_ONE = {"BOOL": True, "FP32": 1.0, "FP64": 1.0, "STRING": "test"}
_NO_JSON = ("FP16", "BF16")
"""Types that Triton takes as bytes only."""


def read_server(url: str) -> tuple[RunningServer, tuple[Model, ...]]:
    """DoctorError where no Triton answers there."""
    url = url.rstrip("/")
    about = _answer(url, "/v2")
    if not isinstance(about, dict) or "extensions" not in about:
        raise _no_triton(url, "a service without Triton's metadata")
    statistics = _optional(url, "/v2/models/stats") or {}
    counters = tuple(_counters(each) for each in statistics.get("model_stats", ()))
    index = _optional(url, "/v2/repository/index", b"{}") or ()
    states = {entry["name"]: entry for entry in index if isinstance(entry, dict)}
    loaded = {each.model for each in counters}
    models = tuple(_models(url, sorted(loaded)))
    server = RunningServer(
        url=url,
        version=str(about.get("version", "")),
        unavailable={
            name: str(entry.get("reason") or "no reason given")
            for name, entry in sorted(states.items())
            if entry.get("state") == "UNAVAILABLE" and entry.get("reason") != "unloaded"
        },
        counters=counters,
        canaries={model.name: why for model in models if (why := _canary(url, model)) is not None},
        rejected=_rejected(url),
    )
    return server, models


def _models(url: str, names: list[str]) -> Iterator[Model]:
    for name in names:
        path = f"/v2/models/{quote(name)}/config"
        given = _optional(url, path)
        if isinstance(given, dict):
            config = json_format.ParseDict(given, pb.ModelConfig(), ignore_unknown_fields=True)
            yield Model(
                name, f"{url}/v2/models/{name}", config_of_message(url + path, config), served=True
            )


def _counters(stats: Mapping[str, Any]) -> ModelCounters:
    inferred = stats.get("inference_stats", {})
    compute = inferred.get("compute_infer", {})
    n_computed = int(compute.get("count", 0))
    return ModelCounters(
        model=str(stats["name"]),
        inferences=int(stats.get("inference_count", 0)),
        executions=int(stats.get("execution_count", 0)),
        failures=int(inferred.get("fail", {}).get("count", 0)),
        mean_compute_s=int(compute["ns"]) / n_computed / 1e9 if n_computed else None,
    )


def _canary(url: str, model: Model) -> str | None:
    """Why one inference of ones fails; "": it does not; None: it cannot be asked so."""
    inputs = []
    batch = [1] if model.message.max_batch_size else []
    for tensor in model.message.input:
        datatype = pb.DataType.Name(tensor.data_type).removeprefix("TYPE_")
        if datatype in _NO_JSON or tensor.optional:
            return None
        shape = [*batch, *(max(size, 1) for size in tensor.dims)]
        if math.prod(shape) > CANARY_MOST_ITEMS:
            return None
        name = "BYTES" if datatype == "STRING" else datatype
        data = [_ONE.get(datatype, 1)] * math.prod(shape)
        inputs.append({"name": tensor.name, "shape": shape, "datatype": name, "data": data})
    body = json.dumps({"inputs": inputs}).encode()
    try:
        with _open(url, f"/v2/models/{quote(model.name)}/infer", body):
            return ""
    except urllib.error.HTTPError as error:
        return _said(error)
    except (OSError, HTTPException) as error:
        return str(error)


def _rejected(url: str) -> Mapping[str, int]:
    """Counted by the metrics endpoint, where it is two ports above, as it is by default."""
    parts = urlsplit(url)
    if parts.port is None:
        return {}
    place = f"{parts.scheme}://{parts.hostname}:{parts.port + METRICS_PORTS_AFTER_HTTP}"
    try:
        with _open(place, "/metrics") as answer:
            text = answer.read(2**24).decode(errors="replace")
    except (OSError, HTTPException):
        return {}
    return {each["model"]: int(each["count"]) for each in _REJECTED.finditer(text)}


def _optional(url: str, path: str, body: bytes | None = None) -> Any:
    """None where this Triton does not answer that, or answers only who knows a key."""
    try:
        return _answer(url, path, body)
    except DoctorError:
        return None


def _answer(url: str, path: str, body: bytes | None = None) -> Any:
    try:
        with _open(url, path, body) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise _no_triton(url, f"HTTP {error.code} for {path}") from None
    except (OSError, HTTPException, ValueError) as error:  # ValueError: no URL, or no JSON
        raise _no_triton(url, str(getattr(error, "reason", error)) or "no answer") from None


def _open(url: str, path: str, body: bytes | None = None) -> Any:
    headers = {"Content-Type": "application/json"} if body is not None else {}
    return urllib.request.urlopen(
        urllib.request.Request(url + path, body, headers), timeout=TIMEOUT_S
    )


def _no_triton(url: str, found: str) -> DoctorError:
    return DoctorError(
        f"expected a running Triton's HTTP address at {url}, found {found}: name one such as "
        "http://127.0.0.1:8000."
    )


def _said(error: urllib.error.HTTPError) -> str:
    """Triton's own words in an answer that is an error."""
    text = error.read(2**16).decode(errors="replace")
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return text.strip() or f"HTTP {error.code}"
