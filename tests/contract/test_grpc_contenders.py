"""What every KServe v2 gRPC contender promises beyond its answers."""

from typing import Any

from tritonclient.grpc import service_pb2

from servers.contract import MODEL_NAME
from servers.discovery import Contender


def applies_to(contender: Contender) -> bool:
    return contender.protocol == "kserve-grpc"


def test_server_and_model_say_they_are_ready(server: Any) -> None:
    stub = server.client().stub
    assert stub.ServerLive(service_pb2.ServerLiveRequest()).live
    assert stub.ServerReady(service_pb2.ServerReadyRequest()).ready
    assert stub.ModelReady(service_pb2.ModelReadyRequest(name=MODEL_NAME)).ready


def test_the_servers_metadata_say_who_it_is(server: Any) -> None:
    metadata = server.client().stub.ServerMetadata(service_pb2.ServerMetadataRequest())
    assert metadata.name == server.started_as


def test_the_outputs_are_one_label_and_one_confidence(server: Any) -> None:
    response = server.client().infer("hello")
    assert response.model_name == MODEL_NAME
    found = {o.name: (o.datatype, list(o.shape)) for o in response.outputs}
    assert found == {"LABEL": ("BYTES", [1, 1]), "CONFIDENCE": ("FP32", [1, 1])}


def test_statistics_count_each_inference(server: Any) -> None:
    client = server.client()
    before = server.answered()
    for _ in range(5):
        client.classify("hello")
    assert server.has_counted(5, before)
