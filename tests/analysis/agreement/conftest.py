"""Runs that are set side by side by several tests. Nothing here was measured."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.agreement.findings import Findings, read_findings

from ..synthetic import SyntheticRun
from .runs import finished_run


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    return read_findings(finished_run(tmp_path_factory.mktemp("runs") / "first").folder)


@pytest.fixture(scope="session")
def second(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """The same services at another time."""
    return read_findings(finished_run(tmp_path_factory.mktemp("runs") / "second", seed=1).folder)


@pytest.fixture
def another(tmp_path: Path) -> Callable[..., SyntheticRun]:
    """Makes a further run: another(service_ms, rates_rps, ...)."""
    return lambda *args, **changes: finished_run(tmp_path / "another", *args, **changes)


@pytest.fixture
def found_in(another: Callable[..., SyntheticRun]) -> Callable[..., Findings]:
    """What a further run found."""

    def read(*args: Any, **changes: Any) -> Findings:
        return read_findings(another(*args, **changes).folder)

    return read
