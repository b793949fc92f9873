"""The vision model and the recommender: what they are, and what they do beside the classifier."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from tritonclient.grpc import service_pb2, service_pb2_grpc

from servers.grpc_channel import GRPC_CHANNEL_OPTIONS
from servers.triton_service.checks import ConfigError, parse_config
from servers.triton_service.colocated.inputs import Inputs, seeded_inputs
from servers.triton_service.colocated.networks import seeded_network
from servers.triton_service.colocated.repository import write_colocated_models
from servers.triton_service.colocated.sizes import SizeName, colocated_models, network_of
from servers.triton_service.models_file.description import ModelEntry

OPTIONS = {"max_batch_size": 8, "max_queue_delay_us": 0, "instances": 1}


def model_of(name: str, size: SizeName = "small") -> ModelEntry:
    return next(model for model in colocated_models(size) if model.name == name)


def answers(model: ModelEntry, requests: list[Inputs], **changes: Any) -> torch.Tensor:
    """The network's answers to all requests in one batch."""
    network = seeded_network(model.name, network_of(model)[0], **({"seed": 3} | changes))
    columns = [[torch.from_numpy(request[t.name]) for request in requests] for t in model.inputs]
    with torch.inference_mode():
        return network(*[torch.cat(rows) for rows in columns])


def test_the_full_vision_model_is_resnet_50() -> None:
    model = model_of("vision", "full")
    with torch.device("meta"):
        network = seeded_network(model.name, network_of(model)[0], seed=1)
        image = torch.empty((1, *model.inputs[0].dims), dtype=torch.uint8)
    with FlopCounterMode(display=False) as counted:
        network(image)
    assert sum(weight.numel() for weight in network.parameters()) == 25_557_032
    assert counted.get_total_flops() / 2 == pytest.approx(4.09e9, rel=0.001)  # multiply-adds


def test_the_full_recommender_has_the_hidden_layers_and_factors_of_deepfm() -> None:
    model = model_of("recommender", "full")
    with torch.device("meta"):
        network = seeded_network(model.name, network_of(model)[0], seed=1)
    shapes = {name: tuple(weight.shape) for name, weight in network.named_parameters()}
    assert shapes["factors.weight"] == (26 * 65_536, 10)
    assert [shape for name, shape in shapes.items() if name.endswith(("0.weight", "2.weight"))][
        :2
    ] == [(400, 390), (400, 400)]


@pytest.mark.parametrize("name", ["vision", "recommender"])
def test_the_seed_alone_decides_weights_and_inputs(name: str) -> None:
    model = model_of(name)
    requests, again = seeded_inputs(model, 4, seed=5), seeded_inputs(model, 4, seed=5)
    state = torch.random.get_rng_state()
    assert torch.equal(answers(model, requests), answers(model, again))
    assert torch.equal(torch.random.get_rng_state(), state)  # nobody else's numbers are drawn
    assert not torch.equal(answers(model, requests), answers(model, requests, seed=4))
    assert not torch.equal(answers(model, requests), answers(model, seeded_inputs(model, 4, 6)))


@pytest.mark.parametrize("name", ["vision", "recommender"])
def test_an_answer_that_went_to_another_request_would_be_noticed(name: str) -> None:
    model = model_of(name)
    largest = answers(model, seeded_inputs(model, 8, seed=5)).max(dim=1).values.double().numpy()
    assert np.isfinite(largest).all()
    gaps = np.abs(largest[:, None] - largest) + np.eye(8)
    assert gaps.min() > 1e-4 * largest.max()


def test_the_pairs_of_deepfm_are_all_products_of_two_different_fields() -> None:
    model = model_of("recommender")
    size, _ = network_of(model)
    network = seeded_network("recommender", size, seed=3)
    (request,) = seeded_inputs(model, 1, seed=5)
    categories, dense = (torch.from_numpy(request[t.name]) for t in model.inputs)
    rows = categories % size["rows_per_field"] + torch.arange(26) * 1000
    values = torch.log1p(dense)
    factors = torch.cat([network.factors(rows)[0], values[0, :, None] * network.dense_factors])
    pairs = sum(factors[a] @ factors[b] for a in range(39) for b in range(a))
    first = network.weights(rows).sum() + network.dense_weights(values)[0, 0]
    wanted = torch.sigmoid(first + pairs + network.deep(factors.flatten()[None])[0, 0])
    assert network(categories, dense).item() == pytest.approx(wanted.item(), rel=1e-5)


def test_the_models_get_device_precision_and_batching_from_the_options(tmp_path: Path) -> None:
    options = {"colocated_models": "small", "device": "cuda", "precision": "fp16"}
    write_colocated_models(tmp_path, OPTIONS | options | {"max_queue_delay_us": 300}, threads=2)
    for name in ("vision", "recommender"):
        config = parse_config((tmp_path / name / "config.pbtxt").read_text(), name)
        given = {key: entry.string_value for key, entry in config.parameters.items()}
        assert (given["device"], given["precision"], given["threads"]) == ("cuda", "fp16", "2")
        assert config.max_batch_size == 8
        assert config.dynamic_batching.max_queue_delay_microseconds == 300


def test_a_contender_that_asks_for_no_co_located_models_gets_none(tmp_path: Path) -> None:
    write_colocated_models(tmp_path, OPTIONS, threads=1)
    write_colocated_models(tmp_path, OPTIONS | {"colocated_models": ""}, threads=1)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_size_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match='expected colocated_models = "full" or "small", found "huge"'
    ):
        write_colocated_models(tmp_path, OPTIONS | {"colocated_models": "huge"}, threads=1)


class Client:
    """KServe v2 over gRPC with the raw messages."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address, GRPC_CHANNEL_OPTIONS)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self.channel)

    def send(self, model: ModelEntry, inputs: Inputs) -> Any:
        """Starts one request; its result() is the response."""
        request = service_pb2.ModelInferRequest(model_name=model.name)
        for tensor in model.inputs:
            rows = inputs[tensor.name]
            request.inputs.add(name=tensor.name, datatype=tensor.dtype, shape=rows.shape)
            request.raw_input_contents.append(rows.tobytes())
        return self._stub.ModelInfer.future(request, timeout=60)

    def batches(self, name: str) -> tuple[int, int]:
        """Inferences and executions of a model so far."""
        request = service_pb2.ModelStatisticsRequest(name=name)
        (found,) = self._stub.ModelStatistics(request, timeout=30).model_stats
        return found.inference_count, found.execution_count


@pytest.fixture
def client(triton: Any) -> Iterator[Client]:
    client = Client(triton.address)
    yield client
    client.channel.close()


def found(response: Any) -> Any:
    return np.frombuffer(response.raw_output_contents[0], dtype=np.float32)


@pytest.mark.live
@pytest.mark.parametrize("name", ["vision", "recommender"])
def test_requests_that_wait_together_run_as_one_batch_and_get_their_own_answers(
    name: str, client: Client
) -> None:
    model = model_of(name)
    requests = seeded_inputs(model, 24, seed=5)
    wanted = answers(model, requests, seed=1512).numpy()

    def a_burst_shared_batches() -> bool:
        before = client.batches(name)
        responses = [future.result() for future in [client.send(model, r) for r in requests]]
        for response, row in zip(responses, wanted, strict=True):
            np.testing.assert_allclose(found(response), row, rtol=1e-4, atol=1e-6)
        inferences, executions = np.subtract(client.batches(name), before)
        return bool(executions < inferences)

    # Whether requests wait together is chance where the machine is busy.
    assert any(a_burst_shared_batches() for _ in range(20))


@pytest.mark.live
def test_all_models_give_the_same_answers_alone_and_together(client: Client) -> None:
    work = [(m, r) for m in colocated_models("small") for r in seeded_inputs(m, 6, seed=7)]
    alone = [found(client.send(model, request).result()) for model, request in work]
    together = [future.result() for future in [client.send(m, r) for m, r in work]]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(found(other), one, rtol=1e-4, atol=1e-6)


@pytest.mark.live
def test_the_log_says_what_was_loaded_and_where(triton: Any) -> None:
    mark = "colocated_model "
    lines = [line for line in triton.log_text().splitlines() if line.startswith(mark)]
    said = {
        entry["model"]: entry for entry in (json.loads(line.removeprefix(mark)) for line in lines)
    }
    assert said["vision"]["precision"] == "fp32"
    assert {entry["device"] for entry in said.values()} == {"cpu"}
