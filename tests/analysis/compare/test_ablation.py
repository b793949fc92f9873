import pytest

from analysis.compare.ablation import BESIDE, SEQUENCE, steps
from analysis.read.contenders import ContenderFacts


def contender(name: str, engine: str = "torch", **options: str) -> ContenderFacts:
    return ContenderFacts(
        name=name,
        server="",
        protocol="",
        engine=engine,
        setting="tuned",
        batching=True,
        n_components=1,
        form="embedded",
        summary="",
        options=options,
    )


FP16 = {"device": "cuda", "precision": "fp16"}
ON_GPU = [
    contender("fastapi", device="cuda"),
    contender("fastapi-tuned-fp16", **FP16),
    contender("fastapi-batched-fp16", **FP16),
    contender("litserve-fp16", **FP16),
    contender("triton-onnx-fp16", "onnxruntime", **FP16),
    contender("triton-torch-fp16", **FP16),
    contender("triton-torch-fp32", device="cuda"),
    contender("hybrid-torch-fp16", **FP16),
]
ENGINES = {"fastapi": "torch", "fastapi-tuned": "torch", "fastapi-compiled": "torch-compiled"}
ALL = [contender(name, ENGINES.get(name, "onnxruntime")) for name in SEQUENCE]


def pairs(contenders, measured=None) -> list[tuple[str, str]]:
    known = measured if measured is not None else [c.name for c in contenders]
    return [(step.before.name, step.after.name) for step in steps(contenders, known)]


def test_each_step_of_the_whole_sequence_changes_one_thing():
    found = steps(ALL, SEQUENCE)
    assert [(step.after.name, *step.changes) for step in found] == [
        ("fastapi-tuned", "handler"),
        ("fastapi-compiled", "compile"),
        ("fastapi-onnx", "engine"),
        ("fastapi-batched", "batching"),
        ("triton-http", "server"),
        ("triton", "protocol"),
        ("hybrid", "extra_hop"),
    ]
    assert not any(step.missing for step in found)


def test_a_variant_takes_the_place_of_the_contender_that_it_is_named_after():
    assert pairs(ON_GPU) == [
        ("fastapi", "fastapi-tuned-fp16"),
        ("fastapi-tuned-fp16", "fastapi-batched-fp16"),
        ("fastapi-batched-fp16", "triton-torch-fp16"),
        ("triton-torch-fp16", "hybrid-torch-fp16"),
    ]


def test_a_contender_stands_before_its_variants():
    assert pairs([*map(contender, ("fastapi", "triton-slow", "triton"))]) == [("fastapi", "triton")]


def test_only_what_was_measured_is_a_stage():
    assert pairs(ON_GPU, {"fastapi", "triton-onnx-fp16"}) == [("fastapi", "triton-onnx-fp16")]


def test_a_name_that_only_begins_alike_is_no_variant():
    assert pairs([*map(contender, ("fastapi", "tritonic", "mine"))]) == []


def test_pairs_beside_the_sequence_are_compared_and_never_take_a_place_in_it():
    names = dict.fromkeys(name for pair in BESIDE for name in pair)
    found = steps([contender(name) for name in ("fastapi", *names)], ("fastapi", *names))
    beside = {(step.before.name, step.after.name): step.changes for step in found[2:]}
    assert beside == {pair: (change,) for pair, change in BESIDE.items()}
    alone = [contender(name) for name in ("fastapi", "triton-unbatched", "triton-http-binary")]
    assert pairs(alone) == []


@pytest.mark.parametrize(
    ("before", "after", "changed", "missing"),
    [
        ("fastapi", "fastapi-tuned-fp16", ["handler", "precision"], []),
        ("fastapi-tuned-fp16", "fastapi-batched-fp16", ["batching"], []),
        ("fastapi-batched-fp16", "triton-torch-fp16", ["server", "protocol"], ["triton-http"]),
        (
            "fastapi-tuned-fp16",
            "triton-onnx-fp16",
            ["compile", "engine", "batching", "server", "protocol"],
            ["fastapi-compiled", "fastapi-onnx", "fastapi-batched", "triton-http"],
        ),
    ],
)
def test_a_step_names_all_that_differs_and_nothing_else(before, after, changed, missing):
    (found,) = steps(ON_GPU, {before, after})
    assert (list(found.changes), list(found.missing)) == (changed, missing)


def test_the_gain_of_another_engine_over_an_eager_one_holds_that_of_compiling():
    (found,) = steps(ALL, {"fastapi-tuned", "fastapi-onnx"})
    assert (found.changes, found.missing) == (("compile", "engine"), ("fastapi-compiled",))
