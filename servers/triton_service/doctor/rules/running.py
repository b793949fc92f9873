"""What a running server says of itself."""

import re
from collections.abc import Iterator

from servers.triton_service.doctor.findings import Found
from servers.triton_service.doctor.inspected import Inspected
from servers.triton_service.doctor.places import Place
from servers.triton_service.doctor.running_values import RunningServer

DEAD = re.compile(
    r"stub process.*(is not healthy|not running)|Failed to process the request\(s\).*stub",
    re.I | re.S,
)
ENOUGH_EXECUTIONS = 100
ONE = 1.1
SHARE_FAILED = 0.001


def model_unavailable(inspected: Inspected) -> Iterator[Found]:
    for server in inspected.servers:
        for model, reason in server.unavailable.items():
            yield Found(_place(server, model), f"{model} is not served: {reason}.")


def dead_stub(inspected: Inspected) -> Iterator[Found]:
    for server in inspected.servers:
        for model, error in server.canaries.items():
            if DEAD.search(error):
                yield Found(
                    _place(server, model),
                    f"Triton has {model} loaded, and an inference fails: {error}",
                )


def canary_fails(inspected: Inspected) -> Iterator[Found]:
    for server in inspected.servers:
        for model, error in server.canaries.items():
            if error and not DEAD.search(error):
                yield Found(_place(server, model), f"it answers: {error}")


def batch_of_one(inspected: Inspected) -> Iterator[Found]:
    for server in inspected.servers:
        for counted in server.counters:
            model = inspected.model(counted.model)
            batches = model is not None and model.message.HasField("dynamic_batching")
            if not batches or counted.executions < ENOUGH_EXECUTIONS:
                continue
            mean = counted.inferences / counted.executions
            if mean < ONE:
                yield Found(
                    _place(server, counted.model),
                    f"{counted.inferences} inferences in {counted.executions} executions: a mean "
                    f"batch of {mean:.2f}. Send requests of one shape at the same time.",
                )


def requests_fail(inspected: Inspected) -> Iterator[Found]:
    for server in inspected.servers:
        for counted in server.counters:
            total = counted.inferences + counted.failures
            if counted.failures and counted.failures >= SHARE_FAILED * total:
                timeouts = server.rejected.get(counted.model, 0)
                yield Found(
                    _place(server, counted.model),
                    f"{counted.failures} of {total} requests failed"
                    + (f", {timeouts} of them waited too long in the queue." if timeouts else "."),
                )


def _place(server: RunningServer, model: str) -> Place:
    return Place(f"{server.url}/v2/models/{model}")
