"""A built classifier, its traffic, and the contender `triton` started as the launcher would."""

import os
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import np_to_triton_dtype

from loadtests.launch.server import Ports
from servers.contract import MODEL_NAME
from servers.grpc_channel import GRPC_CHANNEL_OPTIONS

GONE_DEADLINE_S = 30.0


def until(condition: Callable[[], bool], deadline_s: float = 20.0) -> bool:
    """Whether condition came to hold before the deadline."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def tmp_path(plain_tmp_path: Path) -> Path:
    return plain_tmp_path


@dataclass(frozen=True)
class Statistics:
    inferences: int
    executions: int


class TritonClient:
    """KServe v2 over gRPC with the raw messages."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(
            address, [*GRPC_CHANNEL_OPTIONS, ("grpc.use_local_subchannel_pool", 1)]
        )
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    def send(self, texts: Sequence[str]) -> Any:
        """Starts one request with a batch of texts; its result() is the response."""
        encoded = [text.encode() for text in texts]
        tensor = service_pb2.ModelInferRequest.InferInputTensor
        request = service_pb2.ModelInferRequest(
            model_name=MODEL_NAME,
            inputs=[tensor(name="TEXT", datatype="BYTES", shape=[len(texts), 1])],
            raw_input_contents=[b"".join(struct.pack("<I", len(e)) + e for e in encoded)],
        )
        return self._stub.ModelInfer.future(request, timeout=30)

    def send_tokens(self, ids: NDArray[Any], mask: NDArray[Any]) -> Any:
        """Starts one request for logits at the model `classifier`."""
        message = service_pb2.ModelInferRequest
        given = {"input_ids": ids, "attention_mask": mask}
        request = message(
            model_name="classifier",
            inputs=[
                message.InferInputTensor(
                    name=name, datatype=np_to_triton_dtype(array.dtype), shape=array.shape
                )
                for name, array in given.items()
            ],
            outputs=[message.InferRequestedOutputTensor(name="logits")],
            raw_input_contents=[array.tobytes() for array in given.values()],
        )
        return self._stub.ModelInfer.future(request, timeout=30)

    def statistics(self, model: str) -> Statistics:
        request = service_pb2.ModelStatisticsRequest(name=model)
        (found,) = self._stub.ModelStatistics(request, timeout=30).model_stats
        return Statistics(found.inference_count, found.execution_count)

    def close(self) -> None:
        self._channel.close()


def answers(response: Any) -> list[tuple[str, float]]:
    """(label, confidence) of each text of a response."""
    raw = {
        output.name: content
        for output, content in zip(response.outputs, response.raw_output_contents, strict=True)
    }
    labels, rest = [], raw["LABEL"]
    while rest:
        (size,) = struct.unpack_from("<I", rest)
        labels.append(rest[4 : 4 + size].decode())
        rest = rest[4 + size :]
    confidences = struct.unpack(f"<{len(labels)}f", raw["CONFIDENCE"])
    return list(zip(labels, confidences, strict=True))


@pytest.fixture(scope="session", name="until")
def until_fixture() -> Callable[..., bool]:
    return until


@pytest.fixture(scope="session")
def read_answers() -> Callable[[Any], list[tuple[str, float]]]:
    return answers


class RunningTriton:
    """The contender's processes, ports and shared memory, seen from outside."""

    def __init__(self, started: Any) -> None:
        self._started = started
        self.process: subprocess.Popen[bytes] = started.process
        self.ports: Ports = started.ports
        self.address = f"127.0.0.1:{started.ports.main}"
        self.log_text: Callable[[], str] = started.log_text

    def wait_until_ready(self) -> None:
        self._started.when(lambda: "triton ready:" in self.log_text())

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def shared_memory(self) -> Callable[[], list[Path]]:
        """Lists the entries of this server, also when it has ended."""
        option = "shm-region-prefix-name="
        arguments = [arg for process in self.descendants() for arg in process.cmdline()]
        prefix = next(arg.split(option)[1] for arg in arguments if option in arg)
        return lambda: list(Path("/dev/shm").glob(f"{prefix}*"))

    def all_ports(self) -> list[int]:
        return [self.ports.main, *self.ports.extra.values()]

    def open_ports(self) -> list[int]:
        return [port for port in self.all_ports() if _accepts(port)]

    def end(self, number: signal.Signals, whole_group: bool = False) -> int:
        if whole_group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        return self.process.wait(GONE_DEADLINE_S)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


StartTriton = Callable[..., RunningTriton]


@pytest.fixture(scope="session")
def start_triton(start_contender: Callable[..., Any]) -> StartTriton:
    def start(**changes: Any) -> RunningTriton:
        return RunningTriton(start_contender("triton", **changes))

    return start


@pytest.fixture(scope="session")
def triton(shared_triton: Any) -> RunningTriton:
    return RunningTriton(shared_triton)


@pytest.fixture(scope="session")
def connect() -> Callable[[str], TritonClient]:
    return TritonClient


@pytest.fixture
def client_of() -> Iterator[Callable[[RunningTriton], TritonClient]]:
    clients = []

    def client_of(running: RunningTriton) -> TritonClient:
        clients.append(TritonClient(running.address))
        return clients[-1]

    yield client_of
    for client in clients:
        client.close()


@pytest.fixture
def client(
    triton: RunningTriton, client_of: Callable[[RunningTriton], TritonClient]
) -> TritonClient:
    return client_of(triton)
