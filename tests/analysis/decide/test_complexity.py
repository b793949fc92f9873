from dataclasses import asdict

import pytest

from analysis.decide.asked import Asked, AskedError, weights_given
from analysis.decide.complexity import BLOCKED_HEALTH, complexity, items
from analysis.read.contenders import ContenderFacts, facts_of
from servers.discovery import discover

from ..synthetic import SyntheticContender, facts


def contender(components, **declared) -> ContenderFacts:
    return facts_of(facts(SyntheticContender("a", 0.001, components=components)) | declared)


def test_each_component_counts_once_unless_a_weight_is_given():
    triton = contender(["tritonserver", "stub", "network"])
    assert complexity(triton, {}) == 3
    assert complexity(triton, {"tritonserver": 4, "network": 0}) == 5


def test_a_record_that_only_counts_its_components_has_their_number():
    assert complexity(contender(6), {"tritonserver": 4}) == 6


def test_a_blocked_health_endpoint_is_an_item_of_its_own():
    blocking = contender(["HTTP process"], blocks_health=True)
    assert items(blocking) == ["HTTP process", BLOCKED_HEALTH]
    assert complexity(blocking, {}) == 2
    assert complexity(blocking, {BLOCKED_HEALTH: 0}) == 1


def test_no_contender_counts_this_study_s_own_launcher():
    for found in discover().values():
        assert not [item for item in items(facts_of(asdict(found))) if "launcher" in item]


def test_weights_are_read_as_name_and_value():
    assert weights_given(["exported network=0.5", "a=b=2"]) == {"exported network": 0.5, "a=b": 2}


@pytest.mark.parametrize("option", ["tritonserver", "=2", "a=x", "a=-1", "a=nan", "a=inf"])
def test_a_weight_that_is_none_is_refused_in_a_sentence(option):
    with pytest.raises(AskedError, match="expected NAME=VALUE"):
        weights_given([option])


def test_a_weight_of_what_no_contender_has_is_refused_with_what_there_is():
    with pytest.raises(AskedError, match="one of network, stub; found 'tritton'"):
        Asked(weights={"tritton": 2.0}).check([contender(["stub", "network"])])


def test_a_weight_is_refused_where_the_records_name_no_component():
    with pytest.raises(AskedError, match="the records of this run do not name any"):
        Asked(weights={"tritonserver": 2.0}).check([contender(6)])
