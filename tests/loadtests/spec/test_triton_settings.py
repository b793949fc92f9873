"""The experiment of Triton's settings: each of them alone, so that differences are its own."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from loadtests.spec.contenders import resolve_contenders
from loadtests.spec.file import read_experiment
from servers.discovery import Contender


@pytest.fixture
def compared(root: Path) -> Mapping[str, Contender]:
    experiment = read_experiment(root / "loadtests/experiments/triton-settings.toml")
    known = resolve_contenders(experiment)
    return {name: known[name] for name in experiment.contenders}


def changed(compared: Mapping[str, Contender], name: str) -> dict[str, object]:
    usual = compared["triton"].options
    return {k: v for k, v in compared[name].options.items() if v != usual[k]}


def test_each_contender_differs_from_triton_in_one_setting(
    compared: Mapping[str, Contender],
) -> None:
    names = set(compared) - {"triton", "triton-as-published"}
    assert {name: len(changed(compared, name)) for name in names} == dict.fromkeys(names, 1)
    assert len(changed(compared, "triton-as-published")) == 2
    assert {c.engine for c in compared.values()} == {"onnxruntime"}


def test_the_delays_are_those_that_the_two_documents_name(
    compared: Mapping[str, Contender],
) -> None:
    delays_us = {
        c.options["max_queue_delay_us"]
        for name, c in compared.items()
        if name.startswith("triton-delay") or name == "triton"
    }
    assert delays_us == {0, 1000, 2000, 5000, 10_000}


def test_there_are_one_two_and_four_instances(compared: Mapping[str, Contender]) -> None:
    assert {c.options["instances"] for c in compared.values()} == {1, 2, 4}
