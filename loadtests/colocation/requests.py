"""Equal, seeded requests for the co-located models, serialised before any load."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tritonclient.grpc import service_pb2
from tritonclient.utils import np_to_triton_dtype

from loadtests.colocation.plan import CLASSIFIER
from loadtests.launch.artefacts import Artefacts
from loadtests.wire.address import Address
from loadtests.wire.formats import PreparedWire
from loadtests.wire.probe import open_probe
from loadtests.wire.texts import TrafficText
from servers.classifier.encoding import Encoder
from servers.contract import LENGTH_BUCKETS, MAX_LENGTH_TOKENS
from servers.triton_service.colocated.inputs import Inputs, seeded_inputs
from servers.triton_service.models_file.description import ModelEntry

N_REQUESTS = 32
"""Different requests a model gets, drawn at random; as many as its largest batch."""


@dataclass(frozen=True)
class Prepared:
    """The requests of one model: files in folder, and the traffic that names them.

    answers: what the model answered to each when it was asked alone, before any load.
    """

    wire: PreparedWire
    traffic: Path
    answers: tuple[float, ...]


def inputs_by_model(
    artefacts: Artefacts, colocated_models: Sequence[ModelEntry], seed: int
) -> dict[str, list[Inputs]]:
    """N_REQUESTS of each model. Texts are tokenised here: what is compared is how the networks
    share a device, and Triton's Python processes take numbers with every numpy."""
    found: dict[str, list[Inputs]] = {
        model.name: seeded_inputs(model, N_REQUESTS, seed) for model in colocated_models
    }
    encoder, rng = Encoder(artefacts.model_dir), np.random.default_rng(seed)
    texts = [artefacts.texts[k].text for k in rng.integers(0, len(artefacts.texts), N_REQUESTS)]
    encoded = [encoder.encode([text], MAX_LENGTH_TOKENS, LENGTH_BUCKETS) for text in texts]
    found[CLASSIFIER] = [
        {"input_ids": e.input_ids, "attention_mask": e.attention_mask} for e in encoded
    ]
    return found


def prepare_requests(
    model: str, inputs: Sequence[Inputs], host: str, port: int, folder: Path
) -> Prepared:
    """Writes the requests into folder, a new one, and asks each of them once; ProbeError."""
    folder.mkdir(parents=True)
    wire = PreparedWire(model=model, folder=str(folder))
    for index, tensors in enumerate(inputs):
        (folder / f"{index}.request").write_bytes(serialised(model, tensors))
    address = Address("kserve-grpc", host, port, foreign_wire=wire, name=f"the model {model}")
    with open_probe(address, timeout_s=60.0) as probe:
        answers = [probe.predict(f"{index}.request").confidence for index in range(len(inputs))]
    texts = [
        TrafficText(index, f"{index}.request", 0, model, answer or 0.0)
        for index, answer in enumerate(answers)
    ]
    traffic = folder / "traffic.jsonl"
    traffic.write_text("".join(json.dumps(asdict(text)) + "\n" for text in texts), encoding="utf-8")
    return Prepared(wire, traffic, tuple(text.confidence for text in texts))


def serialised(model: str, tensors: Inputs) -> bytes:
    """A ModelInferRequest with raw contents; of the classifier only its numbers are asked for."""
    request = service_pb2.ModelInferRequest(model_name=model)
    for name, array in tensors.items():
        datatype = np_to_triton_dtype(array.dtype)
        request.inputs.add(name=name, datatype=datatype, shape=array.shape)
        request.raw_input_contents.append(array.tobytes())
    if model == CLASSIFIER:
        request.outputs.add(name="logits")
    return bytes(request.SerializeToString())
