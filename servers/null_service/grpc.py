"""The null KServe v2 gRPC server: one prebuilt answer, no request is even decoded."""

import asyncio
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from tritonclient.grpc import service_pb2

from servers.contract import MODEL_NAME
from servers.null_service.http import CONFIDENCE, LABEL

SERVICE = "inference.GRPCInferenceService"


def infer_response() -> bytes:
    """A serialised ModelInferResponse: LABEL BYTES [1,1] and CONFIDENCE FP32 [1,1]."""
    output = service_pb2.ModelInferResponse.InferOutputTensor
    label = LABEL.encode()
    response = service_pb2.ModelInferResponse(
        model_name=MODEL_NAME,
        model_version="1",
        outputs=[
            output(name="LABEL", datatype="BYTES", shape=[1, 1]),
            output(name="CONFIDENCE", datatype="FP32", shape=[1, 1]),
        ],
        raw_output_contents=[
            struct.pack("<I", len(label)) + label,
            struct.pack("<f", CONFIDENCE),
        ],
    )
    return bytes(response.SerializeToString())


def statistics_response(count: int) -> bytes:
    """A serialised ModelStatisticsResponse after count inferences, each executed alone."""
    statistics = service_pb2.ModelStatistics(
        name=MODEL_NAME, version="1", inference_count=count, execution_count=count
    )
    statistics.inference_stats.success.count = count
    response = service_pb2.ModelStatisticsResponse(model_stats=[statistics])
    return bytes(response.SerializeToString())


def _always(answer: bytes) -> Callable[[bytes, Any], bytes]:
    def handler(_request: bytes, _context: Any) -> bytes:
        return answer

    return handler


class NullInference:
    """The RPCs a load generator uses, from serialised request to serialised answer."""

    def __init__(self) -> None:
        self._count = 0
        self._answer = infer_response()

    def infer(self, _request: bytes, _context: Any) -> bytes:
        self._count += 1
        return self._answer

    def statistics(self, _request: bytes, _context: Any) -> bytes:
        return statistics_response(self._count)

    def handlers(self) -> grpc.GenericRpcHandler:
        live = service_pb2.ServerLiveResponse(live=True)
        ready = service_pb2.ServerReadyResponse(ready=True)
        model_ready = service_pb2.ModelReadyResponse(ready=True)
        methods = {
            "ModelInfer": self.infer,
            "ModelStatistics": self.statistics,
            "ServerLive": _always(live.SerializeToString()),
            "ServerReady": _always(ready.SerializeToString()),
            "ModelReady": _always(model_ready.SerializeToString()),
        }
        # No (de)serialisers: bytes pass through, which is what makes the server cheap.
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {name: grpc.unary_unary_rpc_method_handler(rpc) for name, rpc in methods.items()},
        )


async def serve_grpc(host: str, port: int, stop: asyncio.Event) -> None:
    """Serves until stop is set."""
    # One thread: nothing here blocks, it spares the counter a lock, and a call took about a tenth
    # less CPU time than with grpc.aio.
    server = grpc.server(ThreadPoolExecutor(max_workers=1), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((NullInference().handlers(),))
    server.add_insecure_port(f"{host}:{port}")
    server.start()
    await stop.wait()
    server.stop(grace=1).wait()
