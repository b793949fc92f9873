"""The real small classifier, shared with the study: built once into the study's own cache."""

from pathlib import Path

import pytest

from loadtests.launch.artefacts import Artefacts
from servers.classifier.answers import keep_answers
from servers.classifier.build import build_model
from servers.classifier.model_specs import NetworkSpec, TrainingSpec


@pytest.fixture(scope="session")
def small_model_dir(study_seed: int, study_cache: Path) -> Path:
    return build_model("small", study_cache, study_seed)


@pytest.fixture(scope="session")
def tiny_network() -> NetworkSpec:
    return NetworkSpec(
        "tiny", layers=1, width=16, heads=2, intermediate=32, max_positions=128, dropout=0.0
    )


@pytest.fixture(scope="session")
def tiny_training() -> TrainingSpec:
    return TrainingSpec(n_training=64, n_heldout=16, epochs=1, batch_size=16, accuracy_floor=0.0)


@pytest.fixture(scope="session")
def answers(artefacts: Artefacts) -> Path:
    """The folder with the reference answers of the study's traffic."""
    return keep_answers(artefacts.model_dir, artefacts.traffic_path)
