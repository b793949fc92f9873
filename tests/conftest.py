"""Fixtures shared by all tests."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


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
