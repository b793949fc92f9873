"""What a models file may say, and the one sentence for what it may not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from servers.triton_service.models_file.reading import (
    SHIPPED,
    read_models_file,
    shipped_names,
)
from servers.triton_service.models_file.strict import ModelsFileError

Write = Callable[..., Path]


def refusal(path: Path) -> str:
    with pytest.raises(ModelsFileError) as refused:
        read_models_file(path)
    return str(refused.value)


def test_what_is_left_out_has_the_defaults_of_triton_and_one_instance(models_file: Write) -> None:
    (model,) = read_models_file(models_file()).models
    assert (model.version_policy.latest, model.batcher) == (1, None)
    assert (model.instances.count, model.instances.kind) == (1, "cpu")


def test_files_are_looked_for_beside_the_models_file(
    models_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = models_file()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (model,) = read_models_file(Path("..") / path.name).models
    assert Path(str(model.versions[0].file)).samefile(tmp_path / "bert.onnx")


BAD = {
    "unknown key": (
        "",
        "batcher = { max_queue_delay = 5 }",
        "models.bert.batcher.max_queue_delay is not a setting of a models file; did you mean "
        "'max_queue_delay_us'?",
    ),
    "a misspelt key that must be there": (
        "max_batch_size",
        "max_batchsize",
        "models.bert.max_batchsize is not a setting of a models file; did you mean "
        "'max_batch_size'?",
    ),
    "unknown size of a generator": (
        'file = "bert.onnx"',
        "generator = { resnet = { image = 8 } }",
        "models.bert.versions.1.generator.resnet.image is not a setting of a models file; did you "
        "mean 'image_px'?",
    ),
    "missing": (
        'backend = "onnxruntime"\n',
        "",
        "models.bert.backend is missing; add it (trio-small.toml shows how).",
    ),
    "dtype": (
        '"INT64"',
        '"int64"',
        "models.bert.inputs.ids.dtype: input should be 'BOOL', 'UINT8', 'UINT16', 'UINT32', "
        "'UINT64', 'INT8', 'INT16', 'INT32', 'INT64', 'FP16', 'FP32', 'FP64', 'BF16' or 'STRING', "
        "found 'int64'; correct it.",
    ),
    "dims": (
        "dims = [4]",
        "dims = [4, 0]",
        "models.bert.inputs.ids.dims: expected positive sizes, or -1 for any, found [4, 0]; "
        "correct it.",
    ),
    "no outputs": (
        'outputs = [{ name = "logits", dtype = "FP32", dims = [2] }]',
        "outputs = []",
        "models.bert.outputs: expected at least one entry, found []; correct it.",
    ),
    "no list": ("dims = [4]", "dims = 4", "inputs.ids.dims: input should be a list, in brackets"),
    "a text for a number": (
        "max_batch_size = 8",
        'max_batch_size = "8"',
        "models.bert.max_batch_size: input should be a valid integer, found '8'; correct it.",
    ),
    "a truth value for a number": (
        "",
        "instances = { count = true }",
        "models.bert.instances.count: input should be a valid integer, found True; correct it.",
    ),
    "no instances": (
        "",
        "instances = { count = 0 }",
        "models.bert.instances.count: input should be greater than or equal to 1, found 0; "
        "correct it.",
    ),
    "GPUs of a CPU": (
        "",
        "instances = { devices = [0] }",
        'models.bert.instances: expected kind = "gpu" beside devices, found "cpu"; correct it.',
    ),
    "a preferred size above the largest batch": (
        "",
        "batcher = { preferred_batch_sizes = [4, 16] }",
        "models.bert: expected preferred_batch_sizes of at most max_batch_size (8), found 16; "
        "correct it.",
    ),
    "a batcher without batches": (
        "max_batch_size = 8",
        "max_batch_size = 0\nbatcher = {}",
        "models.bert: expected max_batch_size of at least 1 for a batcher, found 0; correct it.",
    ),
    "one name for two models": (
        "",
        '[[models]]\nname = "bert"\nbackend = "python"\nmax_batch_size = 8\n'
        'inputs = [{ name = "x", dtype = "FP32", dims = [1] }]\n'
        'outputs = [{ name = "y", dtype = "FP32", dims = [1] }]\n'
        'versions = [{ number = 1, file = "bert.onnx" }]\n',
        "models: expected a name of its own for each model, found 'bert' twice; correct it.",
    ),
    "one name for two inputs": (
        "dims = [4] }]",
        'dims = [4] }, { name = "ids", dtype = "INT64", dims = [4] }]',
        "models.bert.inputs: expected a name of its own for each tensor, found 'ids' twice; "
        "correct it.",
    ),
    "a name that leads out of the repository": (
        'name = "bert"',
        'name = "../bert"',
        "string should match pattern",
    ),
    "neither file nor generator": (
        ', file = "bert.onnx"',
        "",
        "models.bert.versions.1: expected one of file, generator, found none of them; correct it.",
    ),
    "a generator of two networks": (
        'file = "bert.onnx"',
        "generator = { bert = {}, deepfm = {} }",
        "models.bert.versions.1.generator: expected one of bert, resnet, deepfm, found bert and "
        "deepfm; correct it.",
    ),
    "a generator for another backend": (
        'backend = "onnxruntime"',
        'backend = "python"',
        'models.bert: expected backend = "onnxruntime" for a generator, which writes ONNX, found '
        '"python"; correct it.',
    ),
    "a policy for a version that is not there": (
        "",
        "version_policy = { specific = [1, 3] }",
        "models.bert: expected version_policy to name versions that there are (1), found 3; "
        "correct it.",
    ),
    "two policies": (
        "",
        "version_policy = { latest = 1, all = true }",
        "models.bert.version_policy: expected one of latest, all, specific, found latest and all; "
        "correct it.",
    ),
    "a warm-up above the largest batch": (
        "",
        "warm_up = [{ batch_size = 9 }]",
        "models.bert: expected a warm-up batch_size of at most max_batch_size (8), found 9; "
        "correct it.",
    ),
    "a warm-up of any size": (
        "dims = [4] }]",
        "dims = [-1] }]\nwarm_up = [{ batch_size = 8 }]",
        "models.bert: expected warm-up dims for the input ids that fit [-1], found [-1]; "
        "correct it.",
    ),
    "a warm-up of another input": (
        "",
        "warm_up = [{ dims = { tokens = [4] } }]",
        "models.bert: expected warm-up dims of the inputs ids, found tokens; correct it.",
    ),
}


@pytest.mark.parametrize(("old", "new", "said"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_one_sentence_that_names_the_place(
    models_file: Write, old: str, new: str, said: str
) -> None:
    generated = "for a generator" in said
    path = models_file(old, new)
    if generated:
        text = path.read_text().replace('file = "bert.onnx"', "generator = { bert = {} }")
        path.write_text(text)
    sentence = refusal(path)
    assert said in sentence
    assert sentence.startswith(f"{path}: models")
    assert "\n" not in sentence


def test_a_file_that_is_not_there_is_named_with_its_place(models_file: Write) -> None:
    path = models_file("bert.onnx", "gone.onnx")
    assert refusal(path) == (
        f"{path}: models.bert.versions.1.file: expected a file that can be read, found none at "
        f"{path.parent}/gone.onnx; correct it."
    )


def test_a_file_without_models_is_told_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.touch()
    assert refusal(path) == (f"{path}: models is missing; add it (trio-small.toml shows how).")


@pytest.mark.parametrize("content", [b"[[models]\n", b"\xff\xfe", b"a = " + b"[" * 5000])
def test_what_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "models.toml"
    path.write_bytes(content)
    assert refusal(path).startswith(f"expected TOML in {path}, found something else (")


def test_a_models_file_that_is_not_there_is_refused_with_those_that_come_with_the_study(
    tmp_path: Path,
) -> None:
    path = tmp_path / "nothing.toml"
    assert refusal(path) == (
        f"expected a models file at {path}, could not read it (No such file or directory): name "
        "another one, or one that comes with the study (trio, trio-small)."
    )


def test_both_sizes_of_the_trio_have_the_same_tensors_but_for_the_size_of_the_image() -> None:
    assert shipped_names() == ("trio", "trio-small")
    of_size = []
    for name in shipped_names():
        models = read_models_file(Path(name))
        assert models == read_models_file(SHIPPED / f"{name}.toml")
        of_size.append(
            [
                (model.name, tensor.name, tensor.dtype, len(tensor.dims))
                for model in models.models
                for tensor in (*model.inputs, *model.outputs)
            ]
        )
    full, small = of_size
    assert full == small
    assert ("classifier", "input_ids", "INT64", 1) in full
