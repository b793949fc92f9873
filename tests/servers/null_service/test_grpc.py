import struct

from tritonclient.grpc import service_pb2

from servers.null_service.grpc import infer_response, statistics_response


def test_the_prebuilt_answer_is_a_label_and_a_confidence() -> None:
    response = service_pb2.ModelInferResponse.FromString(infer_response())
    label, confidence = response.raw_output_contents
    assert [output.name for output in response.outputs] == ["LABEL", "CONFIDENCE"]
    assert label == struct.pack("<I", 4) + b"null"
    assert struct.unpack("<f", confidence) == (1.0,)


def test_statistics_report_what_was_counted() -> None:
    response = service_pb2.ModelStatisticsResponse.FromString(statistics_response(7))
    statistics = response.model_stats[0]
    assert statistics.inference_count == statistics.execution_count == 7
    assert statistics.inference_stats.success.count == 7
