"""Variants of contenders: what changes with an option or an engine, and what is refused."""

from dataclasses import asdict
from pathlib import Path

import pytest

from servers.device_curve import curve_named
from servers.discovery import SERVERS_DIR, ContenderError, discover
from servers.engines import ENGINES, EngineName

KNOWN = discover()


def test_a_variant_says_in_its_summary_what_differs_from_its_base() -> None:
    found = KNOWN["triton"].variant("late", {"max_queue_delay_us": 5000, "instances": 1})

    base = KNOWN["triton"].summary
    assert found.summary == f"{base} Here with max_queue_delay_us = 5000."
    assert (found.name, found.engine, found.batching) == ("late", "onnxruntime", True)


def test_a_variant_of_a_variant_says_what_it_changes_of_that_one() -> None:
    late = KNOWN["triton"].variant("late", {"max_queue_delay_us": 5000, "instances": 2})
    found = late.variant("less-late", {"max_queue_delay_us": 1000})

    assert found.summary.endswith(
        "Here with max_queue_delay_us = 5000, instances = 2, but max_queue_delay_us = 1000."
    )


def test_a_variant_with_another_engine_says_so_and_needs_no_exported_network() -> None:
    found = KNOWN["triton"].variant("triton-torch", {"device": "cuda"}, "torch")

    assert found.engine == "torch"
    assert "with PyTorch in its Python backend" in found.summary
    assert "ONNX Runtime" not in found.summary
    assert set(KNOWN["triton"].components) - set(found.components) == {"exported network"}
    with_onnx = KNOWN["fastapi-tuned"].variant("a", engine="onnxruntime")
    assert with_onnx.components == (*KNOWN["fastapi-tuned"].components, "exported network")


def test_onnx_runtime_and_nothing_else_needs_the_exported_network() -> None:
    for contender in KNOWN.values():
        assert ("exported network" in contender.components) == (contender.engine == "onnxruntime")


def test_one_model_has_one_python_process_less_to_keep_healthy() -> None:
    triton, one = KNOWN["triton"].components, KNOWN["triton-one-model"].components
    stubs = {part for part in triton if part.startswith("Python stub")}
    assert {*one} - {*triton} == {"Python stub of the model"}
    assert {*triton} - {*one} == stubs


def test_what_triton_needs_has_no_launcher_and_the_gateway_needs_all_of_it() -> None:
    triton, hybrid = KNOWN["triton"].components, KNOWN["hybrid"].components
    assert triton == (
        "tritonserver",
        "Python stub of the tokenizer",
        "Python stub of the classifier",
        "model repository",
        "exported network",
    )
    assert hybrid == ("gateway process", "model folder of the gateway", *triton)


def test_a_number_of_moving_parts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    declared = (SERVERS_DIR / "simulated_service/server.toml").read_text(encoding="utf-8")
    counted = declared.replace('components = ["HTTP process"]', "components = 1")
    (tmp_path / "one/server.toml").write_text(counted, encoding="utf-8")
    with pytest.raises(ContenderError, match="components"):
        discover(tmp_path)


def test_a_contender_with_a_base_differs_from_it_in_what_it_says_alone() -> None:
    base, found = asdict(KNOWN["triton"]), asdict(KNOWN["triton-unbatched"])

    differs = {name for name, value in found.items() if value != base[name]}
    assert differs == {"name", "port", "batching", "summary", "options"}
    assert found["options"] == {**base["options"], "batcher": False}


def test_a_base_that_is_no_whole_table_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    tables = """
    [contenders.b]
    base = "a"
    [contenders.a]
    base = "nobody"
    """
    (tmp_path / "one/server.toml").write_text(tables, encoding="utf-8")
    with pytest.raises(ContenderError, match="base = 'a': expected a table .* no base itself"):
        discover(tmp_path)


def test_a_variant_without_its_batcher_does_not_batch() -> None:
    assert not KNOWN["hybrid"].variant("alone", {"batcher": False}).batching
    assert KNOWN["hybrid"].variant("batched", {"batcher": True}).batching


def test_a_gateway_before_a_triton_that_runs_elsewhere_is_the_only_part_that_the_study_starts() -> (
    None
):
    assert KNOWN["hybrid"].form == "embedded"
    assert KNOWN["hybrid"].variant("before", {"triton_url": "127.0.0.1:8001"}).form == "gateway"
    assert KNOWN["hybrid"].variant("own", {"triton_url": ""}).form == "embedded"


def test_a_contender_without_changes_is_the_same() -> None:
    for name, contender in KNOWN.items():
        assert contender.variant(name) == contender


@pytest.mark.parametrize("name", ["fastapi", "null-http"])
def test_an_engine_that_a_contender_cannot_run_is_refused(name: str) -> None:
    expected = f"sets the engine 'onnxruntime', which '{name}' cannot"
    with pytest.raises(ContenderError, match=expected):
        KNOWN[name].variant("changed", engine="onnxruntime")


def test_the_defaults_of_every_contender_are_those_of_the_study_on_a_cpu() -> None:
    """Made again on a host with a GPU, the study on a CPU must not move there."""
    usual = {"device": "cpu", "precision": "fp32", "cuda_graphs": False, "tensorrt": False}
    placed = [name for name, contender in KNOWN.items() if contender.engine in ENGINES]
    for name in placed:
        options = KNOWN[name].options
        assert "device" in options
        assert {key: options[key] for key in usual if key in options} == (
            usual if name != "fastapi" else {"device": "cpu"}
        )


def test_the_gateway_says_that_its_tokenizer_is_outside_triton() -> None:
    assert "tokenises outside Triton" in KNOWN["hybrid"].summary


def test_a_variant_on_a_curve_carries_the_label_of_what_is_simulated() -> None:
    curve = curve_named("t4-fp16-tensorrt")
    found = KNOWN["triton"].variant("simulated", {"curve": curve.name}, "replay")

    assert found.simulated_device == curve.label
    assert found.simulated_device.startswith("simulated device: NVIDIA T4")
    assert "with a simulated device in its Python backend" in found.summary
    assert found.variant("late", {"max_queue_delay_us": 5000}).simulated_device == curve.label
    assert "exported network" not in found.components
    assert {contender.simulated_device for contender in KNOWN.values()} == {""}


def test_the_published_service_runs_pytorch_or_a_simulated_device() -> None:
    options = {"curve": "a100-fp16-torchscript"}
    found = KNOWN["fastapi"].variant("simulated", options, "replay")
    assert (found.setting, found.engine) == ("as-published", "replay")
    with pytest.raises(ContenderError, match="its engines are: torch, replay"):
        KNOWN["fastapi"].variant("changed", engine="onnxruntime")


@pytest.mark.parametrize(
    ("engine", "curve", "sentence"),
    [
        ("replay", "", "sets the engine 'replay' without a curve; set the option curve to one of"),
        ("replay", "a101", "variant 'new': expected a curve .* found 'a101': correct it"),
        ("torch", "t4-fp16-tensorrt", "for the engine 'torch', which computes; set the engine"),
    ],
)
def test_an_engine_and_a_curve_that_do_not_belong_together_are_refused(
    engine: EngineName, curve: str, sentence: str
) -> None:
    with pytest.raises(ContenderError, match=sentence):
        KNOWN["triton"].variant("new", {"curve": curve}, engine)
