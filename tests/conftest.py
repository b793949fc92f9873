"""Fixtures shared by all tests."""

import os
import signal
import tomllib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import pytest

from loadtests.artefacts import Artefacts, prepare

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def study_seed() -> int:
    experiment = ROOT / "loadtests" / "experiments" / "default.toml"
    return int(tomllib.loads(experiment.read_text(encoding="utf-8"))["seed"])


@pytest.fixture(scope="session")
def study_cache() -> Path:
    """The study's own cache: the suite and the study build the small model once."""
    return ROOT / ".cache" / "artefacts"


@pytest.fixture(scope="session")
def artefacts(study_seed: int, study_cache: Path) -> Artefacts:
    return prepare("small", None, study_seed, study_cache)


@pytest.fixture(scope="session")
def model_dir(artefacts: Artefacts) -> Path:
    return artefacts.model_dir


@pytest.fixture(scope="session")
def traffic(artefacts: Artefacts) -> list[dict[str, Any]]:
    """Texts with n_tokens and the reference answers."""
    return [asdict(text) for text in artefacts.texts]


@pytest.fixture
def family_of() -> Callable[[int], list[psutil.Process]]:
    """The processes started below one, as they are now."""

    def family(pid: int) -> list[psutil.Process]:
        return list(psutil.Process(pid).children(recursive=True))

    return family


@pytest.fixture(autouse=True)
def _restore_signals() -> object:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may reach a model hub
