from dataclasses import asdict

from analysis.read.contenders import facts_of
from servers.discovery import discover


def test_a_contender_that_blocks_its_own_health_endpoint_says_so():
    known = {name: facts_of(asdict(found)) for name, found in discover().items()}
    assert [name for name, facts in known.items() if facts.blocks_health] == ["fastapi"]


def test_a_record_from_before_it_could_be_said_says_nothing_of_it():
    declared = asdict(discover()["fastapi"])
    del declared["blocks_health"]
    assert not facts_of(declared).blocks_health


def test_a_contender_with_a_simulated_device_is_shown_with_its_label_and_never_as_on_a_gpu():
    options = {"device": "cuda", "precision": "fp16", "curve": "a100-fp16-tensorrt"}
    found = facts_of(asdict(discover()["triton"].variant("simulated", options, "replay")))
    assert found.placed_engine == found.simulated_device
    assert found.simulated_device.startswith("simulated device: NVIDIA A100")
    assert found.device == "simulated cuda"


def test_a_record_from_before_there_were_simulated_devices_has_none():
    declared = asdict(discover()["triton"])
    del declared["simulated_device"]
    assert facts_of(declared).simulated_device == ""
    assert facts_of(declared).device == "cpu"
