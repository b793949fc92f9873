"""Every rule finds its fault at its line, and where it offers a fix, the fix heals."""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from servers.triton_service.doctor.findings import Finding, Rule
from servers.triton_service.doctor.rules import RULES

CONFIG = "models/bert/config.pbtxt"
NETWORK = "models/bert/1/model.onnx"
PYTHON_CONFIG = 'name: "tok"\nbackend: "python"\nmax_batch_size: 8\ndynamic_batching { }\n'

CACHED = """\
      parameters { key: "trt_engine_cache_enable" value: "1" }
      parameters { key: "trt_engine_cache_path" value: "/models/.cache" }
"""
FP16 = '      parameters { key: "precision_mode" value: "FP16" }\n'
PROFILES = """\
      parameters { key: "trt_profile_min_shapes" value: "input_ids:1x8,attention_mask:1x8" }
      parameters { key: "trt_profile_opt_shapes" value: "input_ids:8x512,attention_mask:8x64" }
      parameters { key: "trt_profile_max_shapes" value: "input_ids:32x128,attention_mask:32x128" }
"""

World = Any


def accelerated(world: World, parameters: str, count: int = 1) -> World:
    block = (
        "optimization {\n  execution_accelerators {\n    gpu_execution_accelerator: [ {\n"
        f'      name: "tensorrt"\n{parameters}    }} ]\n  }}\n}}\n'
    )
    group = f"instance_group [ {{ count: {count} kind: KIND_GPU }} ]"
    return (
        world.without("compose.yaml")
        .replacing(CONFIG, "instance_group [ { count: 1 kind: KIND_CPU } ]", group)
        .replacing(CONFIG, "dynamic_batching { }\n", f"dynamic_batching {{ }}\n{block}")
    )


def added(line: str) -> Callable[[World], World]:
    return lambda world: world.replacing(CONFIG, "dynamic_batching { }\n", f"{line}\n")


def changed(file: str, old: str, new: str) -> Callable[[World], World]:
    return lambda world: world.replacing(file, old, new)


def of_any_length(world: World) -> World:
    return world.replacing(CONFIG, "dims: [ 128 ]", "dims: [ -1 ]").replacing(
        CONFIG, "dims: [ 128 ]", "dims: [ -1 ]"
    )


def ensemble(world: World) -> World:
    config = (
        'platform: "ensemble"\nmax_batch_size: 32\n'
        'input [ { name: "TEXT" data_type: TYPE_STRING dims: [ 1 ] } ]\n'
        'output [ { name: "logits" data_type: TYPE_FP32 dims: [ 10 ] } ]\n'
        "ensemble_scheduling {\n  step [\n"
        '    { model_name: "tokenizer" input_map { key: "TEXT" value: "TEXT" }\n'
        '      output_map { key: "logits" value: "logits" } }\n  ]\n}\n'
    )
    return world.adding("models/whole/config.pbtxt", config).adding("models/whole/1/.keep", "")


def without_batcher(world: World) -> World:
    return world.replacing(CONFIG, "dynamic_batching { }\n", "").without("compose.yaml")


def with_second_model(world: World) -> World:
    return (
        world.adding("models/tok/config.pbtxt", PYTHON_CONFIG)
        .adding("models/tok/1/model.py", "")
        .replacing("compose.yaml", "      - --exit-on-error=true\n", "")
    )


@dataclass(frozen=True)
class Case:
    """line: a text of the line that the finding must name; None: the finding names a folder."""

    change: Callable[[World], World]
    file: str = CONFIG
    line: str | None = None
    heals: bool = True


CASES: Mapping[str, Case] = {
    "version-folder": Case(
        lambda w: w.without(NETWORK).adding("models/bert/v1/model.onnx", w.network()),
        "models/bert/v1",
    ),
    "version-policy": Case(
        added("dynamic_batching { }\nversion_policy { specific { versions: [ 7 ] } }"),
        line="versions",
        heals=False,
    ),
    "model-file": Case(
        lambda w: w.without(NETWORK).adding("models/bert/1/net.onnx", w.network()), "models/bert/1"
    ),
    "external-data": Case(
        lambda w: w.adding(NETWORK, w.network("model.onnx.data")), "models/bert/1", heals=False
    ),
    "unserved-versions": Case(
        lambda w: w.adding("models/bert/2/model.onnx", w.network()), heals=False
    ),
    "stray-files": Case(
        lambda w: w.adding("models/bert/1/.model.py.swp", ""),
        "models/bert/1/.model.py.swp",
        heals=False,
    ),
    "no-config": Case(
        lambda w: w.adding("models/other/1/weights.bin", ""), "models/other", heals=False
    ),
    "config-syntax": Case(added("dynamic_batch { }"), line="dynamic_batch"),
    "model-name": Case(changed(CONFIG, '"bert"', '"bert_ner"'), line="bert_ner"),
    "no-backend": Case(
        lambda w: (
            w.without(NETWORK)
            .adding("models/bert/1/weights.bin", "")
            .replacing(CONFIG, 'backend: "onnxruntime"\n', "")
        ),
        heals=False,
    ),
    "platform-mismatch": Case(
        added('dynamic_batching { }\nplatform: "tensorflow_savedmodel"'), line="platform"
    ),
    "newer-field": Case(
        lambda w: (
            added("dynamic_batching { }\nmodel_metrics { }")(w)
            .meant_for("24.10")
            .without("compose.yaml")
        ),
        line="model_metrics",
    ),
    "ensemble-step": Case(
        ensemble, "models/whole/config.pbtxt", line='model_name: "tokenizer"', heals=False
    ),
    "warm-up": Case(
        added('dynamic_batching { }\nmodel_warmup { name: "w" batch_size: 64 }'),
        line="model_warmup",
        heals=False,
    ),
    "onnx-datatype": Case(changed(CONFIG, "TYPE_INT64", "TYPE_FP32"), line="TYPE_FP32 dims: [ 128"),
    "onnx-name": Case(changed(CONFIG, '"attention_mask"', '"mask"'), line='"mask"'),
    "onnx-shape": Case(changed(CONFIG, "[ 10 ]", "[ -1, 10 ]"), line="[ -1, 10 ]"),
    "bad-dims": Case(changed(CONFIG, "[ 10 ]", "[ 0 ]"), line="[ 0 ]", heals=False),
    "variable-length": Case(of_any_length, line="input_ids", heals=False),
    "missing-batcher": Case(
        lambda w: w.adding(
            "models/tok/config.pbtxt", PYTHON_CONFIG.replace("dynamic_batching { }\n", "")
        ).adding("models/tok/1/model.py", ""),
        "models/tok/config.pbtxt",
        line="max_batch_size",
    ),
    "derived-batcher": Case(without_batcher, line="max_batch_size"),
    "batcher-without-batch": Case(
        changed(CONFIG, "max_batch_size: 32", "max_batch_size: 0"), line="dynamic_batching"
    ),
    "preferred-above-max": Case(
        added("dynamic_batching { preferred_batch_size: [ 64 ] }"), line="preferred"
    ),
    "preferred-sizes": Case(
        added("dynamic_batching {\n  preferred_batch_size: [ 4, 8, 32 ]\n}"), line="preferred"
    ),
    "preferred-caps-batch": Case(
        added("dynamic_batching { preferred_batch_size: [ 4, 8 ] }"), line="preferred", heals=False
    ),
    "queue-delay": Case(
        added("dynamic_batching {\n  max_queue_delay_microseconds: 5000\n}"), line="5000"
    ),
    "priority-default": Case(
        added("dynamic_batching {\n  priority_levels: 2\n}"), line="priority_levels"
    ),
    "preserve-ordering": Case(
        added(
            "dynamic_batching { priority_levels: 2 default_priority_level: 1\n"
            "  preserve_ordering: true }"
        ),
        line="preserve_ordering",
    ),
    "response-cache": Case(
        added("dynamic_batching { }\nresponse_cache { enable: true }"),
        line="response_cache",
        heals=False,
    ),
    "cpu-with-gpus": Case(changed(CONFIG, "KIND_CPU", "KIND_CPU gpus: [ 0 ]"), line="gpus"),
    "gpu-not-given": Case(changed(CONFIG, "KIND_CPU", "KIND_GPU"), line="KIND_GPU"),
    "too-many-instances": Case(
        changed(CONFIG, "count: 1 kind: KIND_CPU", "count: 4 kind: KIND_GPU"), line="count: 4"
    ),
    "instances-and-memory": Case(lambda w: accelerated(w, FP16 + CACHED, count=2), line="count: 2"),
    "thread-oversubscription": Case(changed(CONFIG, "count: 1", "count: 4"), line="count: 4"),
    "accelerator-on-cpu": Case(
        lambda w: accelerated(w, FP16 + CACHED).replacing(CONFIG, "KIND_GPU", "KIND_CPU"),
        line="gpu_execution_accelerator",
    ),
    "python-serial": Case(
        lambda w: w.adding("models/tok/config.pbtxt", 'backend: "python"').adding(
            "models/tok/1/model.py", ""
        ),
        "models/tok/config.pbtxt",
        heals=False,
    ),
    "trt-precision": Case(lambda w: accelerated(w, CACHED), line="gpu_execution_accelerator"),
    "trt-precision-mode": Case(
        lambda w: accelerated(w, FP16.replace("FP16", "FP8") + CACHED), line="FP8"
    ),
    "trt-precision-ignored": Case(
        lambda w: accelerated(w, FP16 + CACHED).meant_for("26.06"), line="FP16", heals=False
    ),
    "trt-engine-cache": Case(lambda w: accelerated(w, FP16), line="gpu_execution_accelerator"),
    "trt-cache-read-only": Case(
        lambda w: accelerated(w, FP16 + CACHED).adding("compose.yaml", w.files["compose.yaml"]),
        line="trt_engine_cache_path",
        heals=False,
    ),
    "trt-profiles": Case(
        lambda w: accelerated(of_any_length(w), FP16 + CACHED), line="gpu_execution_accelerator"
    ),
    "trt-profile-shapes": Case(
        lambda w: accelerated(of_any_length(w), FP16 + CACHED + PROFILES),
        line="trt_profile_min_shapes",
        heals=False,
    ),
    "trt-key": Case(
        lambda w: accelerated(w, FP16 + CACHED + FP16.replace("precision_mode", "trt_fp16_enable")),
        line="trt_fp16_enable",
    ),
    "plan-origin": Case(
        lambda w: (
            w.replacing(CONFIG, "onnxruntime", "tensorrt")
            .without(NETWORK)
            .adding("models/bert/1/model.plan", "")
        ),
        "models/bert/1",
        heals=False,
    ),
    "image-tag": Case(changed("compose.yaml", ":26.04-py3", ""), "compose.yaml", "image:"),
    "image-old": Case(
        changed("compose.yaml", "26.04", "24.01"), "compose.yaml", "24.01", heals=False
    ),
    "image-backend": Case(
        changed("compose.yaml", "26.04", "24.02"), line="onnxruntime", heals=False
    ),
    "unknown-flag": Case(
        changed(
            "compose.yaml",
            "      - --exit-on-error=true\n",
            "      - --exit-on-error=true\n      - --response-timeout=5\n",
        ),
        "compose.yaml",
        "--response-timeout",
    ),
    "shm-size": Case(changed("compose.yaml", "    shm_size: 1gb\n", ""), "compose.yaml", "image:"),
    "ulimits": Case(
        changed("compose.yaml", "    ulimits:\n      memlock: -1\n      stack: 67108864\n", ""),
        "compose.yaml",
        "image:",
    ),
    "port-not-served": Case(
        changed("compose.yaml", '"8001:8001"', '"8001:9001"'), "compose.yaml", "9001", heals=False
    ),
    "client-shm-flag": Case(
        changed(
            "client.py",
            "import numpy as np\n",
            "import numpy as np\nimport tritonclient.utils.shared_memory as shm\n",
        ),
        "compose.yaml",
        "image:",
        heals=False,
    ),
    "poll-mode": Case(
        changed("compose.yaml", "--exit-on-error=true", "--model-control-mode=poll"),
        "compose.yaml",
        "poll",
    ),
    "exit-on-error": Case(
        with_second_model, "compose.yaml", "--model-repository=/models", heals=False
    ),
    "own-batches": Case(changed("bench.sh", "-b 1 ", "-b 32 "), "bench.sh", "-b 32"),
    "client-method": Case(
        changed("client.py", 'as_numpy("logits")', "get_output_names()"),
        "client.py",
        "get_output_names",
    ),
    "client-model": Case(
        changed("client.py", '"bert"', '"bert_ner"'), "client.py", "bert_ner", heals=False
    ),
    "client-inputs": Case(
        changed(
            "client.py",
            '            grpcclient.InferInput("attention_mask", list(mask.shape), "INT64"),\n',
            "",
        ),
        "client.py",
        "self.client.infer",
        heals=False,
    ),
    "client-datatype": Case(changed("client.py", '"INT64"', '"INT32"'), "client.py", '"INT32"'),
    "client-shape": Case(
        changed("client.py", "np.zeros((1, 128)", "np.zeros((128,)"),
        "client.py",
        '"input_ids"',
        heals=False,
    ),
    "client-per-request": Case(
        changed(
            "client.py", "self.client.infer(", 'grpcclient.InferenceServerClient("triton").infer('
        ),
        "client.py",
        'InferenceServerClient("triton")',
        heals=False,
    ),
    "client-blocks-loop": Case(
        changed("client.py", "def logits", "async def logits"),
        "client.py",
        "self.client.infer",
        heals=False,
    ),
    "client-liveness": Case(
        changed("client.py", "is_server_ready", "is_server_live"), "client.py", "is_server_live"
    ),
    "client-json": Case(
        changed("client.py", "data_from_numpy(ids)", "data_from_numpy(ids, binary_data=False)"),
        "client.py",
        "binary_data",
    ),
    "client-channel-args": Case(
        changed("client.py", "Client(url)", "Client(url, channel_args=[])"),
        "client.py",
        "channel_args",
        heals=False,
    ),
    "client-ids": Case(
        changed(
            "client.py",
            "np.zeros((1, 128), dtype=np.int64)",
            "np.random.randn(1, 128).astype(np.int64)",
        ),
        "client.py",
        "randn",
        heals=False,
    ),
}
OF_A_RUNNING_SERVER = {
    *("model-unavailable", "dead-stub", "canary-fails", "batch-of-one", "requests-fail")
}

Examined = Callable[[World], list[Finding]]


def of_rule(findings: list[Finding], name: str) -> list[Finding]:
    return [finding for finding in findings if finding.rule.id == name]


def test_every_rule_about_files_has_its_case() -> None:
    assert {rule.id for rule in RULES} == CASES.keys() | OF_A_RUNNING_SERVER


def test_a_world_without_faults_has_no_findings(
    healthy: World, write: Callable[[World], None], examined: Examined
) -> None:
    write(healthy)
    assert [(f.rule.id, f.found) for f in examined(healthy)] == []


@pytest.mark.parametrize("name", CASES)
def test_a_fault_is_found_where_it_stands(
    name: str, here: Path, healthy: World, write: Callable[[World], None], examined: Examined
) -> None:
    case = CASES[name]
    world = case.change(healthy)
    write(world)

    found = of_rule(examined(world), name)

    assert found, name
    places = [each.found.place for each in found]
    assert {place.file for place in places} == {case.file}
    if case.line is not None:
        lines = (here / case.file).read_text().splitlines()
        assert any(case.line in lines[place.line - 1] for place in places)
    assert bool(found[0].found.fix) == case.heals


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.heals])
def test_the_fix_of_a_fault_applies_and_heals(
    name: str, here: Path, healthy: World, write: Callable[[World], None], examined: Examined
) -> None:
    world = CASES[name].change(healthy)
    write(world)
    before = of_rule(examined(world), name)

    for finding in before[:1]:
        subprocess.run(
            ["git", "apply", "-"], input=finding.found.fix + "\n", text=True, check=True, cwd=here
        )

    assert len(of_rule(examined(world), name)) == len(before) - 1


def test_every_rule_says_what_an_operator_needs() -> None:
    def complete(rule: Rule) -> bool:
        texts = (rule.title, rule.why, rule.consequence, rule.source)
        return all(texts) and rule.severity in ("error", "warning", "note")

    assert [rule.id for rule in RULES if not complete(rule)] == []
    assert len({rule.id for rule in RULES}) == len(RULES)
