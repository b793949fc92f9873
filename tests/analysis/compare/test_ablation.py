import pytest

from analysis.compare.ablation import changes, stages
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
    contender("litserve-fp16", **FP16),
    contender("triton-onnx-fp16", "onnxruntime", **FP16),
    contender("triton-torch-fp16", **FP16),
    contender("triton-torch-fp32", device="cuda"),
    contender("hybrid-torch-fp16", **FP16),
]


def names(contenders, measured=None) -> list[str]:
    known = measured if measured is not None else [c.name for c in contenders]
    return [found.name for _, found in stages(contenders, known)]


def test_a_variant_takes_the_place_of_the_contender_that_it_is_named_after():
    assert names(ON_GPU) == [
        "fastapi",
        "fastapi-tuned-fp16",
        "litserve-fp16",
        "triton-torch-fp16",
        "hybrid-torch-fp16",
    ]


def test_a_contender_stands_before_its_variants():
    assert names([contender("triton-slow"), contender("triton")]) == ["triton"]


def test_only_what_was_measured_is_a_stage():
    assert names(ON_GPU, {"fastapi", "triton-onnx-fp16"}) == ["fastapi", "triton-onnx-fp16"]


def test_a_name_that_only_begins_alike_is_no_variant():
    assert names([contender("tritonic"), contender("mine")]) == []


@pytest.mark.parametrize(
    ("before", "after", "changed", "missing"),
    [
        ("fastapi", "fastapi-tuned-fp16", ["handler", "precision"], []),
        ("fastapi-tuned-fp16", "litserve-fp16", ["batching"], []),
        ("litserve-fp16", "triton-torch-fp16", ["server"], []),
        ("litserve-fp16", "triton-onnx-fp16", ["server", "engine"], []),
        (
            "fastapi-tuned-fp16",
            "triton-onnx-fp16",
            ["engine", "batching", "server"],
            ["fastapi-onnx", "litserve"],
        ),
    ],
)
def test_a_step_names_all_that_differs_and_nothing_else(before, after, changed, missing):
    found = stages(ON_GPU, {before, after})
    assert changes(*found) == (changed, missing)
