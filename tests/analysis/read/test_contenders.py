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
