"""A Triton that is played: it describes one model and gives prepared replies to inferences."""

from collections.abc import Callable
from typing import Any

import numpy as np

from servers.triton_service.client.address import Address
from servers.triton_service.client.calls import Call, Flow, drive
from servers.triton_service.client.errors import ClientError
from servers.triton_service.client.flows import Flows
from servers.triton_service.client.waiting import Deadline, Retry, Terms
from servers.triton_service.client.wires import dialect_of


class Result:
    """As tritonclient's: outputs by name."""

    def __init__(self, **outputs: Any) -> None:
        self._outputs = outputs

    def as_numpy(self, name: str) -> Any:
        return self._outputs.get(name)

    def get_output(self, name: str) -> Any:
        found = self._outputs.get(name)
        return None if found is None else {"shape": list(found.shape)}


ANSWER = Result(Y=np.full((1, 4), 7))


class PlayedTriton:
    """The model echo: X INT64 [-1, width] -> Y the same; replies are an answer or an error each."""

    def __init__(self, *replies: Result | ClientError, width: int = 4, **config: Any) -> None:
        self.width = width
        self.config = config
        self.replies = list(replies) or [ANSWER]
        self.asked: list[str] = []
        self.pauses_s: list[float] = []
        self.inferred: list[Call] = []
        self._flows = Flows(dialect_of(Address("http", "played:1")))

    def __call__(self, call: Call) -> Any:
        self.asked.append(call.method)
        if call.method == "get_model_metadata":
            tensor = {"datatype": "INT64", "shape": [-1, self.width]}
            inputs, outputs = [{"name": "X"} | tensor], [{"name": "Y"} | tensor]
            return {"name": call.args[0], "inputs": inputs, "outputs": outputs}
        if call.method == "get_model_config":
            return {"max_batch_size": 8} | self.config
        if call.method != "infer":
            return True
        self.inferred.append(call)
        reply = self.replies.pop(0)
        if isinstance(reply, ClientError):
            raise reply
        return reply

    def drive(self, talk: Callable[[Flows], Flow[Any]]) -> Any:
        return drive(talk(self._flows), self, self.pauses_s.append)

    def infer(
        self,
        width: int = 4,
        retry: Retry | None = None,
        within_s: float = 60.0,
        **options: Any,
    ) -> Any:
        """Asks for Y; returns all outputs."""
        terms = Terms(Deadline.starting_now(within_s), retry)
        given = {"X": np.zeros((1, width), np.int64)}
        return self.drive(lambda flows: flows.infer("echo", given, terms, **options))
