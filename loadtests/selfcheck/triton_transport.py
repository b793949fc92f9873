"""What it costs to bring tensors of 1 KiB to 10 MiB to a model and back, by transport."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection

import numpy as np
from numpy.typing import NDArray
from tritonclient.utils import shared_memory

from loadtests.host.process_trees import cpu_s_of_trees
from loadtests.records.percentiles import percentile_ms
from loadtests.records.questions import Case
from loadtests.selfcheck.triton_bench import (
    TIMEOUT_S,
    Bench,
    binary_request,
    described,
    json_request,
)
from loadtests.selfcheck.triton_regions import NAME, in_region, region_for
from servers.triton_service.process import LOOPBACK

Ints = NDArray[np.int64]
Ask = Callable[[Ints], Ints]

MODEL = "wide"
SIZES = {"1 KiB": 2**7, "32 KiB": 2**12, "588 KiB": 75_264, "10 MiB": 10 * 2**17}
"""Numbers of 8 bytes. 588 KiB: an image of 224 x 224 x 3 in FP32."""
JSON_UP_TO = 75_264
"""Above it one request as JSON takes seconds."""
LASTING_S, LEAST, WARM_UP = 1.0, 21, 3


class Http:
    """One kept connection to Triton's own HTTP."""

    def __init__(self, bench: Bench) -> None:
        self._connection = HTTPConnection(LOOPBACK, bench.ports.http, timeout=TIMEOUT_S)

    def infer(self, body: bytes, headers: dict[str, str]) -> bytes:
        self._connection.request("POST", f"/v2/models/{MODEL}/infer", body, headers)
        reply = self._connection.getresponse()
        content = reply.read()
        if reply.status != 200:
            raise OSError(f"{reply.status}: {content[:200]!r}")
        return content

    def json(self, content: Ints) -> Ints:
        reply = json.loads(self.infer(*json_request(content)))
        return np.array(reply["outputs"][0]["data"], np.int64)

    def binary(self, content: Ints) -> Ints:
        reply = self.infer(*binary_request(content))
        return np.frombuffer(reply[-content.nbytes :], np.int64)

    def shared(self, content: Ints) -> None:
        """In and out through the region: input first, output behind it."""
        place = {"shared_memory_region": NAME, "shared_memory_byte_size": content.nbytes}
        behind = place | {"shared_memory_offset": content.nbytes}
        given = described(content) | {"parameters": place}
        asked = {"inputs": [given], "outputs": [{"name": "Y", "parameters": behind}]}
        self.infer(json.dumps(asked).encode(), {})

    def close(self) -> None:
        self._connection.close()


def transport(bench: Bench) -> Iterator[Case]:
    """An identity model, one caller: every size by every transport."""
    bench.load(MODEL)
    http = Http(bench)
    try:
        for size, n_numbers in SIZES.items():
            content = np.arange(n_numbers, dtype=np.int64).reshape(1, -1)
            with _region(bench, content) as (over_grpc, over_http):
                ways: dict[str, Ask] = {
                    "gRPC": partial(bench.answer, MODEL),
                    "HTTP, binary": http.binary,
                    "HTTP, JSON": http.json,
                    "gRPC, shared memory": over_grpc,
                    "HTTP, shared memory": partial(over_http, http),
                }
                for way, ask in ways.items():
                    if way != "HTTP, JSON" or n_numbers <= JSON_UP_TO:
                        yield _timed(bench, f"{size}, {way}", ask, content)
    finally:
        http.close()


def _timed(bench: Bench, name: str, ask: Ask, content: Ints) -> Case:
    for _ in range(WARM_UP):
        if not np.array_equal(ask(content).ravel(), content.ravel()):
            raise OSError(f"{name}: expected the tensor back, found another")
    took_s: list[float] = []
    began_s, server_s, client_s = time.monotonic(), _server_cpu_s(bench), time.process_time()
    while len(took_s) < LEAST or time.monotonic() - began_s < LASTING_S:
        sent_s = time.perf_counter()
        ask(content)
        took_s.append(time.perf_counter() - sent_s)
    in_client_s, in_server_s = time.process_time() - client_s, _server_cpu_s(bench) - server_s
    return Case(
        case=name,
        values={
            "p50_ms": percentile_ms(np.array(took_s), 50),
            "client_cpu_ms": 1000 * in_client_s / len(took_s),
            "server_cpu_ms": 1000 * in_server_s / len(took_s),
        },
    )


def _server_cpu_s(bench: Bench) -> float:
    """Of tritonserver and its Python processes."""
    return cpu_s_of_trees({"triton": bench.server.pid})["triton"]


@contextmanager
def _region(bench: Bench, content: Ints) -> Iterator[tuple[Ask, Callable[[Http, Ints], Ints]]]:
    """The two ways over system shared memory: each writes its input there and reads its output."""
    with region_for(bench, content) as region:

        def read() -> Ints:
            place = (np.int64, content.shape, content.nbytes)
            found: Ints = shared_memory.get_contents_as_numpy(region, *place)
            return found.copy()

        def over_grpc(given: Ints) -> Ints:
            shared_memory.set_shared_memory_region(region, [given])
            tensor, wanted = in_region(given)
            bench.client.infer(MODEL, [tensor], outputs=[wanted], client_timeout=TIMEOUT_S)
            return read()

        def over_http(http: Http, given: Ints) -> Ints:
            shared_memory.set_shared_memory_region(region, [given])
            http.shared(given)
            return read()

        yield over_grpc, over_http
