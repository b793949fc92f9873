"""What client code sends, against the models that it calls."""

from collections.abc import Iterator

from tritonclient.grpc import model_config_pb2 as pb

from servers.triton_service.doctor import edits
from servers.triton_service.doctor.client_values import ClientCode, ClientInference
from servers.triton_service.doctor.findings import Found
from servers.triton_service.doctor.inspected import Inspected
from servers.triton_service.doctor.models import Model
from servers.triton_service.doctor.places import Place


def client_model(inspected: Inspected) -> Iterator[Found]:
    names = [model.name for model in inspected.models]
    for client, inference in _inferences(inspected):
        if names and inference.model is not None and inference.model not in names:
            yield Found(
                Place(client.file, inference.line),
                f"expected one of the models {', '.join(names)}, found {inference.model!r}.",
            )


def client_inputs(inspected: Inspected) -> Iterator[Found]:
    for client, inference, model in _matched(inspected):
        tensors = inference.tensors or ()
        given = [tensor.name for tensor in tensors]
        inputs = [tensor.name for tensor in model.message.input]
        for tensor in tensors:
            if tensor.name is not None and tensor.name not in inputs:
                yield Found(
                    Place(client.file, tensor.line),
                    f"expected the inputs {', '.join(inputs)} of {model.name}, found "
                    f"{tensor.name}.",
                )
        needed = [tensor.name for tensor in model.message.input if not tensor.optional]
        missing = [name for name in needed if name not in given]
        if missing and None not in given:
            yield Found(
                Place(client.file, inference.line),
                f"expected all inputs of {model.name}, found that {', '.join(missing)} is not "
                "sent.",
            )


def client_datatype(inspected: Inspected) -> Iterator[Found]:
    for client, inference, model in _matched(inspected):
        configured = {tensor.name: tensor for tensor in model.message.input}
        for tensor in inference.tensors or ():
            if tensor.name not in configured or tensor.datatype is None:
                continue
            named = pb.DataType.Name(configured[tensor.name].data_type).removeprefix("TYPE_")
            expected = "BYTES" if named == "STRING" else named
            if tensor.datatype != expected:
                yield Found(
                    Place(client.file, tensor.line),
                    f"expected {expected} for {tensor.name} of {model.name}, found "
                    f"{tensor.datatype}.",
                    edits.in_line(
                        client.file,
                        client.text,
                        tensor.line,
                        f'"{tensor.datatype}"',
                        f'"{expected}"',
                    ),
                )


def client_shape(inspected: Inspected) -> Iterator[Found]:
    for client, inference, model in _matched(inspected):
        configured = {tensor.name: tensor for tensor in model.message.input}
        batch = [-1] if model.message.max_batch_size > 0 else []
        for tensor in inference.tensors or ():
            if tensor.name not in configured or tensor.shape is None:
                continue
            expected = [*batch, *configured[tensor.name].dims]
            fits = len(tensor.shape) == len(expected) and all(
                theirs is None or ours in (-1, theirs)
                for ours, theirs in zip(expected, tensor.shape, strict=True)
            )
            if not fits:
                found = ", ".join("?" if size is None else str(size) for size in tensor.shape)
                hint = "; the first dimension is the batch" if batch else ""
                yield Found(
                    Place(client.file, tensor.line),
                    f"expected the shape {expected} for {tensor.name} of {model.name}, found "
                    f"[{found}]{hint}.",
                )


def _inferences(inspected: Inspected) -> Iterator[tuple[ClientCode, ClientInference]]:
    return ((client, each) for client in inspected.clients for each in client.inferences)


def _matched(inspected: Inspected) -> Iterator[tuple[ClientCode, ClientInference, Model]]:
    """Inferences whose model and tensors are both known."""
    for client, inference in _inferences(inspected):
        model = inspected.model(inference.model) if inference.model else None
        if model and model.message.input and inference.tensors is not None:
            yield client, inference, model
