"""What can be measured on this machine, found before anything is."""

from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.launch.artefacts import Artefacts
from loadtests.launch.preflight import Finding, gpu_in_words, preflight
from loadtests.wire.texts import read_traffic
from servers.discovery import Contender, discover

NULL = discover()["null-http"]


@pytest.fixture
def artefacts(traffic_file: Path, tmp_path: Path) -> Artefacts:
    return Artefacts(tmp_path, traffic_file, read_traffic(traffic_file), {}, {})


def found(contender: Contender, artefacts: Artefacts) -> Finding:
    (finding,) = preflight([contender], artefacts, (), 0.001)
    return finding


def test_a_contender_that_starts_and_answers_can_be_measured(artefacts: Artefacts) -> None:
    finding = found(NULL, artefacts)
    assert (finding.problem, finding.startup_s is None) == ("", False)
    assert "null-http: ready after" in finding.in_words()


def test_one_that_does_not_start_is_named_with_its_reason(artefacts: Artefacts) -> None:
    finding = found(replace(NULL, name="broken", server="no_such_service"), artefacts)
    assert finding.startup_s is None
    assert finding.in_words().startswith("broken: unavailable: broken exited with code 1")


def test_one_that_answers_wrongly_is_found_out(artefacts: Artefacts) -> None:
    law = discover()["simulated"].variant("liar", {"service_ms": 0.1, "answer": "wrong"})
    finding = found(law, artefacts)
    assert finding.startup_s is not None
    assert "answers differ, e.g. text" in finding.problem
    assert ", but " in finding.in_words()


def test_a_gpu_is_described_with_what_its_driver_refuses() -> None:
    card = {"name": "NVIDIA H200", "driver": "580.1", "refused": {}}
    assert gpu_in_words(None) == "NVML sees no GPU"
    assert gpu_in_words(card) == "NVIDIA H200, driver 580.1, telemetry complete"
    refused = {**card, "refused": {"gpu_sm_active_ratio": "Insufficient Permissions"}}
    assert gpu_in_words(refused).endswith("refused: gpu_sm_active_ratio: Insufficient Permissions")
