"""The files to take are those that a start of the contender with these options writes."""

import json
from pathlib import Path
from typing import Any

import pytest

from loadtests.tune.repository import write_configs
from servers.discovery import discover
from servers.triton_service.checks import parse_config

SETTINGS = {
    "max_batch_size": 8,
    "instances": 2,
    "max_queue_delay_us": 500,
    "preferred_batch_sizes": "4,8",
    "length_buckets": "64,128",
    "threads_per_instance": 1,
}


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {"0": "refund", "1": "other"}}))
    return tmp_path


def test_every_option_is_where_triton_reads_it(tmp_path: Path, model_dir: Path) -> None:
    written = write_configs(tmp_path / "best", discover()["triton"], SETTINGS, model_dir, (0, 1))
    found: dict[str, Any] = {
        path.parent.name: parse_config(path.read_text(), str(path)) for path in written
    }
    assert set(found) == {"tokenizer", "classifier", "text_classifier"}
    classifier = found["classifier"]
    assert classifier.max_batch_size == 8
    assert classifier.instance_group[0].count == 2
    assert classifier.dynamic_batching.max_queue_delay_microseconds == 500
    assert list(classifier.dynamic_batching.preferred_batch_size) == [4, 8]
    assert classifier.parameters["intra_op_threads"].string_value == "1"
    assert found["tokenizer"].parameters["length_buckets"].string_value == "64,128"
    assert list(found["tokenizer"].dynamic_batching.preferred_batch_size) == []


def test_without_settings_they_are_the_contenders_own(tmp_path: Path, model_dir: Path) -> None:
    written = write_configs(tmp_path / "best", discover()["triton"], {}, model_dir, (0, 1))
    classifier = next(path for path in written if path.parent.name == "classifier")
    config = parse_config(classifier.read_text(), str(classifier))
    assert config.max_batch_size == 32
    assert config.parameters["intra_op_threads"].string_value == "2"  # both cores
    assert list(config.dynamic_batching.preferred_batch_size) == []


def test_a_gateway_gives_the_files_of_the_triton_behind_it(tmp_path: Path, model_dir: Path) -> None:
    settings = {"max_batch_size": 16}
    written = write_configs(tmp_path / "best", discover()["hybrid"], settings, model_dir, (0,))
    classifier = next(path for path in written if path.parent.name == "classifier")
    assert parse_config(classifier.read_text(), "").max_batch_size == 16
