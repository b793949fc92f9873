"""What a model takes and gives, from the JSON of both protocols."""

from typing import Any

from servers.triton_service.client.spec import ModelSpec, TensorSpec, model_spec

HTTP_METADATA = {
    "name": "bert",
    "versions": ["1", "3"],
    "platform": "python",
    "inputs": [
        {"name": "ids", "datatype": "INT64", "shape": [-1, 128]},
        {"name": "types", "datatype": "INT64", "shape": [-1, 128]},
    ],
    "outputs": [{"name": "logits", "datatype": "FP32", "shape": [-1, 10]}],
}
HTTP_CONFIG: dict[str, Any] = {
    "name": "bert",
    "max_batch_size": 32,
    "input": [
        {"name": "ids", "data_type": "TYPE_INT64", "dims": [128], "optional": False},
        {"name": "types", "data_type": "TYPE_INT64", "dims": [128], "optional": True},
    ],
    "model_transaction_policy": {"decoupled": False},
}
SPEC = ModelSpec(
    name="bert",
    versions=("1", "3"),
    max_batch_size=32,
    inputs=(
        TensorSpec("ids", "INT64", (-1, 128)),
        TensorSpec("types", "INT64", (-1, 128), optional=True),
    ),
    outputs=(TensorSpec("logits", "FP32", (-1, 10)),),
)


def test_names_types_and_shapes_come_from_the_metadata_and_the_rest_from_the_configuration() -> (
    None
):
    assert model_spec(HTTP_METADATA, HTTP_CONFIG) == SPEC


def test_grpcs_json_with_numbers_as_strings_and_without_defaults_means_the_same() -> None:
    inputs = [
        {"name": "ids", "datatype": "INT64", "shape": ["-1", "128"]},
        {"name": "types", "datatype": "INT64", "shape": ["-1", "128"]},
    ]
    outputs = [{"name": "logits", "datatype": "FP32", "shape": ["-1", "10"]}]
    config = {
        "max_batch_size": 32,
        "input": [
            {"name": "ids", "data_type": "TYPE_INT64", "dims": ["128"]},
            {"name": "types", "data_type": "TYPE_INT64", "dims": ["128"], "optional": True},
        ],
    }
    metadata = HTTP_METADATA | {"inputs": inputs, "outputs": outputs}
    assert model_spec(metadata, config) == SPEC


def test_without_a_largest_batch_there_is_no_batch_dimension() -> None:
    assert model_spec(HTTP_METADATA, {"name": "bert"}).max_batch_size == 0


def test_sequence_batching_makes_a_model_stateful() -> None:
    spec = model_spec(HTTP_METADATA, HTTP_CONFIG | {"sequence_batching": {}})
    assert (spec.stateful, spec.decoupled) == (True, False)


def test_a_model_that_answers_any_number_of_times_is_decoupled() -> None:
    policy = {"model_transaction_policy": {"decoupled": True}}
    assert model_spec(HTTP_METADATA, HTTP_CONFIG | policy).decoupled
