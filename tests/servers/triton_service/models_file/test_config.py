"""From the description of a model to its config.pbtxt."""

from collections.abc import Callable
from pathlib import Path

from servers.triton_service.checks import parse_config, to_text
from servers.triton_service.models_file.config import model_config
from servers.triton_service.models_file.reading import read_models_file

MORE = """\
version_policy = { specific = [1] }
instances = { count = 2, kind = "gpu", devices = [0, 1] }
warm_up = [{ batch_size = 8, repeats = 3, data = "random" }]
parameters = { threads = 2, size = { width = 16 }, path = "/models" }

[models.batcher]
max_queue_delay_us = 300
preferred_batch_sizes = [4, 8]
max_queue_size = 64
queue_timeout_us = 5000
timeout_action = "delay"
allow_timeout_override = true
"""
CONFIG = """\
name: "bert"
backend: "onnxruntime"
max_batch_size: 8
input { name: "ids" data_type: TYPE_INT64 dims: 4 }
output { name: "logits" data_type: TYPE_FP32 dims: 2 }
version_policy { specific { versions: 1 } }
instance_group { count: 2 kind: KIND_GPU gpus: [ 0, 1 ] }
model_warmup {
  name: "1_of_batch_8" batch_size: 8 count: 3
  inputs { key: "ids" value { data_type: TYPE_INT64 dims: 4 random_data: true } }
}
parameters { key: "threads" value { string_value: "2" } }
parameters { key: "size" value { string_value: "{\\"width\\": 16}" } }
parameters { key: "path" value { string_value: "/models" } }
dynamic_batching {
  preferred_batch_size: [ 4, 8 ]
  max_queue_delay_microseconds: 300
  default_queue_policy {
    timeout_action: DELAY
    default_timeout_microseconds: 5000
    allow_timeout_override: true
    max_queue_size: 64
  }
}
"""


def config_of(path: Path) -> str:
    (model,) = read_models_file(path).models
    return to_text(model_config(model))


def test_everything_that_a_model_says_is_in_its_configuration(
    models_file: Callable[..., Path],
) -> None:
    written = parse_config(config_of(models_file("", MORE)), "written")
    assert written == parse_config(CONFIG, "expected")


def test_a_batcher_without_settings_is_one_and_has_no_queue_policy(
    models_file: Callable[..., Path],
) -> None:
    config = parse_config(config_of(models_file("", "batcher = {}")), "written")
    assert config.HasField("dynamic_batching")
    assert not config.dynamic_batching.HasField("default_queue_policy")
    assert not parse_config(config_of(models_file()), "written").HasField("dynamic_batching")


def test_every_version_or_the_latest_ones_are_served(models_file: Callable[..., Path]) -> None:
    latest = parse_config(config_of(models_file()), "written").version_policy
    assert latest.latest.num_versions == 1
    every = models_file("", "version_policy = { all = true }")
    assert parse_config(config_of(every), "written").version_policy.HasField("all")


def test_a_warm_up_has_a_size_where_the_input_has_none(models_file: Callable[..., Path]) -> None:
    path = models_file(
        "dims = [4] }]", "dims = [-1] }]\nwarm_up = [{ batch_size = 8, dims = { ids = [4] } }]"
    )
    config = parse_config(config_of(path), "written")
    (sample,) = config.model_warmup
    assert list(config.input[0].dims) == [-1]
    assert list(sample.inputs["ids"].dims) == [4]
    assert sample.inputs["ids"].zero_data
