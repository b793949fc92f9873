"""What a running server tells of itself, as values."""

from dataclasses import replace

import pytest
from tritonclient.grpc import model_config_pb2 as pb

from servers.triton_service.doctor.config_file import config_of_message
from servers.triton_service.doctor.inspected import Inspected
from servers.triton_service.doctor.models import Model
from servers.triton_service.doctor.rules import examine
from servers.triton_service.doctor.running_values import ModelCounters, RunningServer

URL = "http://127.0.0.1:8000"
CONFIG = pb.ModelConfig(
    name="bert",
    backend="python",
    max_batch_size=8,
    input=[pb.ModelInput(name="ids", data_type=pb.TYPE_INT64, dims=[4])],
    dynamic_batching=pb.ModelDynamicBatching(max_queue_delay_microseconds=2000),
)
MODEL = Model("bert", f"{URL}/v2/models/bert", config_of_message("config", CONFIG), served=True)
COUNTED = ModelCounters("bert", inferences=4000, executions=1000, failures=0, mean_compute_s=0.02)
HEALTHY = RunningServer(URL, "2.51.0", counters=(COUNTED,), canaries={"bert": ""})


def found(server: RunningServer) -> list[str]:
    return [f.rule.id for f in examine(Inspected(models=(MODEL,), servers=(server,)))]


def test_a_server_that_batches_and_answers_has_no_findings() -> None:
    assert found(HEALTHY) == []


@pytest.mark.parametrize(
    ("rule", "server"),
    [
        ("model-unavailable", replace(HEALTHY, unavailable={"other": "failed to load"})),
        ("dead-stub", replace(HEALTHY, canaries={"bert": "Stub process 'bert_0' is not healthy."})),
        ("canary-fails", replace(HEALTHY, canaries={"bert": "expected other tokens"})),
        ("batch-of-one", replace(HEALTHY, counters=(replace(COUNTED, executions=3990),))),
        ("requests-fail", replace(HEALTHY, counters=(replace(COUNTED, failures=40),))),
        ("queue-delay", replace(HEALTHY, counters=(replace(COUNTED, mean_compute_s=0.002),))),
    ],
)
def test_what_it_tells_is_judged(rule: str, server: RunningServer) -> None:
    assert found(server) == [rule]
