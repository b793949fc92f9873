from dataclasses import replace

import pytest

from analysis.claims.pairs import batching_pairs, differing, engine_gains, same_but
from analysis.read.contenders import ContenderFacts
from loadtests.records.engines import engine_facts


def contender(name: str, server: str = "triton_service", **changes: object) -> ContenderFacts:
    return ContenderFacts(
        **{
            "name": name,
            "server": server,
            "protocol": "http-json",
            "engine": "onnxruntime",
            "setting": "tuned",
            "batching": True,
            "n_components": 1,
            "form": "embedded",
            "summary": "",
            "options": {"device": "cuda", "precision": "fp16", "batcher": "true"},
        }
        | changes
    )


ON = contender("on")
OFF = contender("off", batching=False, options={**ON.options, "batcher": "false"})


def names(found) -> list[tuple[str, str]]:
    return [(before.name, after.name) for before, after in found]


def test_the_batcher_off_and_on_is_a_pair_in_that_order():
    assert names(batching_pairs([ON, OFF])) == [("off", "on")]


@pytest.mark.parametrize(
    "changes",
    [
        {"engine": "torch"},
        {"options": {**OFF.options, "precision": "fp32"}},
        {"options": {**OFF.options, "instances": "2"}},
        {"server": "hybrid_gateway"},
    ],
)
def test_what_differs_in_more_than_batching_is_no_pair(changes):
    assert names(batching_pairs([ON, OFF.model_copy(update=changes)])) == []


def test_tuned_fastapi_and_litserve_are_a_pair_where_their_engine_is_the_same():
    litserve = contender("litserve", "litserve_service")
    alone = contender("fastapi-onnx", "fastapi_service", batching=False)
    published = alone.model_copy(update={"name": "fastapi", "setting": "as-published"})
    assert names(batching_pairs([litserve, alone, published])) == [("fastapi-onnx", "litserve")]


def test_a_batch_of_at_most_one_is_no_batching():
    one = contender("one", options={**ON.options, "max_batch_size": "1"})
    assert names(batching_pairs([ON, one])) == [("one", "on")]


def test_an_option_is_compared_where_all_others_are_equal():
    slow = contender("slow", options={**ON.options, "precision": "fp32"})
    other = contender("other", options={**ON.options, "precision": "fp32", "batcher": "false"})
    found = differing([ON, slow, other], "precision", ("fp32", "fp16"))
    assert names(found) == [("slow", "on")]
    assert not same_but(other, ON, "precision")


def test_engines_without_a_common_cell_are_not_compared(make_engine):
    first, second = (
        engine_facts(make_engine("torch", precision, [], 1.0)) for precision in ("fp32", "fp16")
    )
    short = replace(second, curve=())
    assert len(engine_gains([first, second], "precision", ("fp32", "fp16"))) == 4
    assert engine_gains([first, short], "precision", ("fp32", "fp16")) == []
    assert engine_gains([first, second], "engine", ("torch", "onnxruntime")) == []
