"""What client code does with the client library."""

import difflib
from collections.abc import Iterator

from servers.triton_service.doctor import edits
from servers.triton_service.doctor.client_values import ClientCall, ClientCode
from servers.triton_service.doctor.findings import Found
from servers.triton_service.doctor.inspected import Inspected
from servers.triton_service.doctor.places import Place
from servers.triton_service.doctor.releases import known

SIZES = ("max_receive_message_length", "max_send_message_length")
ONCE = ("__init__", "main", "setup", "startup", "lifespan", "connect", "")
"""Functions that make a client once and use it for long; "" is a script."""


def client_method(inspected: Inspected) -> Iterator[Found]:
    methods, instead = known()["client"]["methods"], known()["client"]["instead"]
    for client, call in _calls(inspected):
        if call.kind == "input" and "shared_memory" in call.keywords:
            yield Found(
                Place(client.file, call.line),
                f"{call.method} takes no shared_memory: call set_shared_memory(region, byte_size).",
            )
        if call.method in methods.get(call.kind, (call.method,)):
            continue
        near = difflib.get_close_matches(call.method, methods[call.kind], 1, 0.8)
        meant = instead.get(call.method) or (near[0] if near else "")
        yield Found(
            Place(client.file, call.line),
            f"expected a method of tritonclient's {call.kind}, found {call.method}"
            + (f": use {meant}." if meant else "."),
            _called(client, call, meant),
        )


def _called(client: ClientCode, call: ClientCall, meant: str) -> str:
    if call.method == "get_output_names":
        each = "o['name']" if ".http" in call.module else "o.name"
        outputs = (
            "get_response()['outputs']" if ".http" in call.module else "get_response().outputs"
        )
        old = f"{call.receiver}.get_output_names()"
        new = f"[{each} for o in {call.receiver}.{outputs}]"
        return edits.in_line(client.file, client.text, call.line, old, new)
    if not meant or "." in meant:
        return ""
    return edits.in_line(client.file, client.text, call.line, f".{call.method}(", f".{meant}(")


def client_per_request(inspected: Inspected) -> Iterator[Found]:
    for client, call in _calls(inspected):
        asks = any(
            other.function == call.function and other.method in ("infer", "async_infer")
            for other in client.calls
        )
        if call.kind == "new" and asks and call.function not in ONCE:
            yield Found(
                Place(client.file, call.line),
                f"{call.function} makes a client for each call: make one at start and keep it.",
            )


def client_blocks_loop(inspected: Inspected) -> Iterator[Found]:
    for client, call in _calls(inspected):
        blocking = call.kind == "client" and not call.module.endswith(".aio")
        if blocking and call.in_coroutine and call.method == "infer":
            yield Found(
                Place(client.file, call.line),
                f"{call.function} is a coroutine, and {call.module}'s infer blocks it: use "
                f"{call.module}.aio, or call it in a thread.",
            )


def client_liveness(inspected: Inspected) -> Iterator[Found]:
    for client in inspected.clients:
        methods = {call.method: call for call in client.calls}
        live = methods.get("is_server_live")
        if live and not methods.keys() & {"is_server_ready", "is_model_ready"}:
            yield Found(
                Place(client.file, live.line),
                "expected is_server_ready or is_model_ready (and a small inference for Python "
                "models), found is_server_live alone.",
                edits.in_line(
                    client.file, client.text, live.line, "is_server_live", "is_server_ready"
                ),
            )


def client_json(inspected: Inspected) -> Iterator[Found]:
    for client, call in _calls(inspected):
        if call.kind == "input" and call.keywords.get("binary_data") == "False":
            yield Found(
                Place(client.file, call.line),
                "expected tensors as bytes, found binary_data=False.",
                edits.in_line(
                    client.file, client.text, call.line, "binary_data=False", "binary_data=True"
                ),
            )


def client_channel_args(inspected: Inspected) -> Iterator[Found]:
    for client, call in _calls(inspected):
        given = call.keywords.get("channel_args")
        if call.kind == "new" and given and not any(size in client.text for size in SIZES):
            yield Found(
                Place(client.file, call.line),
                f"channel_args without {' and '.join('grpc.' + size for size in SIZES)}: add both, "
                "with -1.",
            )


def client_ids(inspected: Inspected) -> Iterator[Found]:
    for client in inspected.clients:
        for line in client.negative_ids:
            yield Found(
                Place(client.file, line),
                "expected token ids from 0 on, found numbers of randn cast to integers.",
            )


def _calls(inspected: Inspected) -> Iterator[tuple[ClientCode, ClientCall]]:
    return ((client, call) for client in inspected.clients for call in client.calls)
