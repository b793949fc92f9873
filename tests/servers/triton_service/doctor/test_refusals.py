"""The real Triton refuses, or silently serves otherwise, what the rules name: in these words."""

import http.client
import json
import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from loadtests.launch.server import free_ports
from servers.triton_service.doctor.explain import explain
from servers.triton_service.doctor.findings import Finding
from servers.triton_service.doctor.reading.sources import read_sources
from servers.triton_service.doctor.rules import RULES, examine
from servers.triton_service.installation import Installation, prepare_installation
from servers.triton_service.plain_paths import plain_folder

pytestmark = pytest.mark.live

DEADLINE_S = 120.0
CODE = """\
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        x = pb_utils.get_input_tensor_by_name(request, "x").as_numpy()
        return pb_utils.InferenceResponse([pb_utils.Tensor("y", x)])
"""
CONFIG = """\
backend: "python"
max_batch_size: 4
input [ { name: "x" data_type: TYPE_INT64 dims: [ 2 ] } ]
output [ { name: "y" data_type: TYPE_INT64 dims: [ 2 ] } ]
instance_group [ { count: 1 kind: KIND_CPU } ]
dynamic_batching { }
"""


@dataclass(frozen=True)
class Faulty:
    """A model with one fault: the rule that names it, and what Triton says of it."""

    rule: str
    said: str
    config: str = CONFIG
    version: str = "1"


def with_batcher(said: str) -> str:
    return CONFIG.replace("dynamic_batching { }", said)


NO_VERSION = "at least one version must be available under the version policy of model"
REFUSED: dict[str, Faulty] = {
    "leading_zero": Faulty("version-folder", NO_VERSION, version="01"),
    "letter": Faulty("version-folder", NO_VERSION, version="v1"),
    "named_otherwise": Faulty(
        "model-name", "directory name must equal model name", f'name: "other"\n{CONFIG}'
    ),
    "misspelt": Faulty("config-syntax", "failed to poll", with_batcher("dynamic_batch { }")),
    "newer": Faulty("newer-field", "has no field named", f"{CONFIG}model_metrics {{ }}\n"),
    "preferred": Faulty(
        "preferred-above-max",
        "dynamic batching preferred size must be <= max batch size for",
        with_batcher("dynamic_batching { preferred_batch_size: [ 8 ] }"),
    ),
    "priorities": Faulty(
        "priority-default",
        "default priority level must be in range [1, ",
        with_batcher("dynamic_batching { priority_levels: 2 }"),
    ),
    "ordered": Faulty(
        "preserve-ordering",
        "Only one priority level is allowed when 'preserve_ordering' is true for",
        with_batcher(
            "dynamic_batching { preserve_ordering: true priority_levels: 2 "
            "default_priority_level: 1 }"
        ),
    ),
    "cpu_gpus": Faulty(
        "cpu-with-gpus",
        "has kind KIND_CPU but specifies one or more GPUs",
        CONFIG.replace("KIND_CPU", "KIND_CPU gpus: [ 0 ]"),
    ),
    "no_dims": Faulty(
        "bad-dims",
        "dimension must be integer >= 1, or -1 to indicate a variable-size dimension",
        CONFIG.replace(
            'name: "y" data_type: TYPE_INT64 dims: [ 2 ]',
            'name: "y" data_type: TYPE_INT64 dims: [ 0 ]',
        ),
    ),
}
ENSEMBLE = """\
platform: "ensemble"
max_batch_size: 4
input [ { name: "x" data_type: TYPE_INT64 dims: [ 2 ] } ]
output [ { name: "y" data_type: TYPE_INT64 dims: [ 2 ] } ]
ensemble_scheduling {
  step [ { model_name: "gone" input_map { key: "x" value: "x" }
           output_map { key: "y" value: "y" } } ]
}
"""
WARM_UP = """\
model_warmup {
  name: "w" batch_size: 64
  inputs { key: "x" value { data_type: TYPE_INT64 dims: [ 2 ] zero_data: true } }
}
"""
REFUSED |= {
    "gpu": Faulty(
        "gpu-not-given",
        "has kind KIND_GPU but no GPUs are available",
        CONFIG.replace("KIND_CPU", "KIND_GPU"),
    ),
    "policy": Faulty(
        "version-policy",
        "but the version directory is not present",
        CONFIG + "version_policy { specific { versions: [ 7 ] } }\n",
    ),
    "steps": Faulty(
        "ensemble-step",
        "ensemble steps contains models that are not available or ambiguous",
        ENSEMBLE,
    ),
}
SILENT: Mapping[str, Faulty] = {
    "never_batches": Faulty(
        "batcher-without-batch", "", CONFIG.replace("max_batch_size: 4", "max_batch_size: 0")
    ),
    "two_names": Faulty("platform-mismatch", "", f'platform: "onnxruntime_onnx"\n{CONFIG}'),
    "cached": Faulty("response-cache", "", f"{CONFIG}response_cache {{ enable: true }}\n"),
    ".ipynb_checkpoints": Faulty("stray-files", ""),
    "alone": Faulty("missing-batcher", "", with_batcher("")),
}
COLD = Faulty("warm-up", "failed to run warmup sample", CONFIG + WARM_UP)
CRASHED = "Signal (11) received"
COMPOSE = """\
services:
  triton:
    image: nvcr.io/nvidia/tritonserver:24.10-py3
    command: [tritonserver, --model-repository=/models]
"""


def write(repository: Path, name: str, config: str = CONFIG, version: str = "1") -> None:
    (repository / name / version).mkdir(parents=True)
    (repository / name / version / "model.py").write_text(CODE)
    (repository / name / "config.pbtxt").write_text(config)


@dataclass
class LiveTriton:
    url: str
    process: subprocess.Popen[bytes]
    log: Path
    repository: Path
    loads: dict[str, str]

    def ask(self, path: str, body: Any = None) -> str:
        """The error that Triton answers with; empty where it answers well."""
        data = json.dumps(body).encode() if body is not None else b""
        try:
            with urllib.request.urlopen(f"{self.url}{path}", data, DEADLINE_S):
                return ""
        except urllib.error.HTTPError as error:
            return str(json.load(error)["error"])

    def load(self, name: str) -> str:
        return self.ask(f"/v2/repository/models/{name}/load")


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with plain_folder(tmp_path_factory.mktemp("triton")) as folder:
        yield prepare_installation(folder / "installation")


@contextmanager
def served(
    installation: Installation, folder: Path, models: Mapping[str, Faulty]
) -> Iterator[LiveTriton]:
    """A Triton that has these models at hand, and has loaded none."""
    repository, log = folder / "models", folder / "server.log"
    for name, faulty in models.items():
        write(repository, name, faulty.config, faulty.version)
    port = free_ports([]).main
    argv = [
        str(installation.binary),
        f"--model-repository={repository}",
        f"--backend-directory={installation.backends_dir}",
        f"--backend-config=python,shm-region-prefix-name=study_doctor_{os.getpid()}_{port}_",
        "--model-control-mode=explicit",
        "--http-address=127.0.0.1",
        f"--http-port={port}",
        "--allow-grpc=false",
        "--allow-metrics=false",
        "--exit-timeout-secs=1",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv, env=dict(installation.environment), stderr=output, process_group=0
        )
    started = LiveTriton(f"http://127.0.0.1:{port}", process, log, repository, {})
    try:
        _wait_until_live(started)
        yield started
    finally:
        stubs = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        for stub in stubs:
            if stub.is_running():
                stub.kill()
        for left in Path("/dev/shm").glob(f"study_doctor_{os.getpid()}_{port}_*"):
            left.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def triton(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveTriton]:
    sound = Faulty("", "")
    onnx = Faulty("", "", 'backend: "onnxruntime"\nmax_batch_size: 4\n')
    models = {**REFUSED, **SILENT, "sound": sound, "onnx": onnx, "two_old": sound}
    with served(installation, tmp_path_factory.mktemp("faulty"), models) as started:
        (started.repository / "two_old/2").mkdir()
        (started.repository / "two_old/2/model.py").write_text(CODE)
        for name in models:
            started.loads[name] = started.load(name)
        yield started


def _wait_until_live(triton: LiveTriton) -> None:
    end_s = time.monotonic() + DEADLINE_S
    while True:
        try:
            with urllib.request.urlopen(f"{triton.url}/v2/health/live"):
                return
        except OSError:
            assert triton.process.poll() is None, triton.log.read_text()
            assert time.monotonic() < end_s
            time.sleep(0.05)


def findings_of(triton: LiveTriton, name: str, folder: Path) -> list[str]:
    """The rules broken by one model, read from its files beside a compose file."""
    compose = folder / "compose.yaml"
    compose.write_text(COMPOSE)
    found: list[Finding] = examine(read_sources([str(triton.repository / name), str(compose)]))
    return [each.rule.id for each in found if each.found.place.file != str(compose)]


def consequence(rule: str) -> str:
    return next(each.consequence for each in RULES if each.id == rule)


@pytest.mark.parametrize("name", REFUSED)
def test_triton_refuses_what_a_rule_calls_an_error_in_the_words_of_the_rule(
    triton: LiveTriton, tmp_path: Path, name: str
) -> None:
    faulty = REFUSED[name]
    assert triton.loads[name] != ""
    assert faulty.said in triton.log.read_text() + triton.loads[name]
    assert faulty.said in consequence(faulty.rule).replace('\\"', '"')
    assert faulty.rule in findings_of(triton, name, tmp_path)


def test_a_warm_up_that_fails_is_refused_or_ends_the_server(
    installation: Installation, tmp_path: Path
) -> None:
    """It ended in about one of seven loads on a busy machine, and then answered nobody."""
    with served(installation, tmp_path, {"cold": COLD}) as alone:
        loading = threading.Thread(target=_load_unheard, args=(alone, "cold"))
        loading.start()
        end_s = time.monotonic() + DEADLINE_S
        while not any(said in alone.log.read_text() for said in (COLD.said, CRASHED)):
            assert time.monotonic() < end_s, alone.log.read_text()
            time.sleep(0.05)
    loading.join()
    assert COLD.said in consequence(COLD.rule)
    assert CRASHED in consequence(COLD.rule)
    assert COLD.rule in findings_of(alone, "cold", tmp_path)


def _load_unheard(triton: LiveTriton, name: str) -> None:
    with suppress(OSError, http.client.HTTPException):  # of a server that ends meanwhile
        triton.load(name)


@pytest.mark.parametrize("name", SILENT)
def test_triton_serves_without_a_word_what_a_rule_warns_of(
    triton: LiveTriton, tmp_path: Path, name: str
) -> None:
    assert triton.loads[name] == ""
    assert SILENT[name].rule in findings_of(triton, name, tmp_path)


def test_without_a_batcher_in_the_file_a_python_model_gets_none(triton: LiveTriton) -> None:
    with urllib.request.urlopen(f"{triton.url}/v2/models/alone/config") as answer:
        assert "dynamic_batching" not in json.load(answer)


def test_only_the_latest_version_is_served(triton: LiveTriton, tmp_path: Path) -> None:
    said = triton.ask("/v2/models/two_old/versions/1/infer", {"inputs": []})
    assert explain(said).id == "unknown-model"
    assert "unserved-versions" in findings_of(triton, "two_old", tmp_path)


def test_a_backend_that_is_not_installed_is_explained(triton: LiveTriton) -> None:
    assert explain(triton.loads["onnx"]).id == "no-backend-library"


def request(shape: list[int], datatype: str = "INT64", name: str = "x") -> dict[str, Any]:
    count = 1
    for size in shape:
        count *= size
    return {"inputs": [{"name": name, "shape": shape, "datatype": datatype, "data": [1] * count}]}


@pytest.mark.parametrize(
    ("path", "body", "meaning"),
    [
        ("/v2/models/nope/infer", request([1, 2]), "unknown-model"),
        ("/v2/models/sound/infer", request([1, 3]), "unexpected-shape"),
        ("/v2/models/sound/infer", request([8]), "batch-size-must-be"),
        ("/v2/models/sound/infer", request([1, 2], "INT32"), "request-datatype"),
        ("/v2/models/sound/infer", request([1, 2], name="ids"), "request-inputs"),
        ("/v2/models/sound/infer", {"inputs": []}, "request-inputs"),
    ],
)
def test_what_triton_says_of_a_wrong_request_is_explained(
    triton: LiveTriton, path: str, body: dict[str, Any], meaning: str
) -> None:
    assert explain(triton.ask(path, body)).id == meaning


def test_a_flag_that_does_not_exist_ends_the_server(installation: Installation) -> None:
    done = subprocess.run(
        [str(installation.binary), "--response-timeout=5"],
        env=dict(installation.environment),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert done.returncode != 0
    assert explain(done.stderr).id == "unknown-option"


def rules_broken(url: str) -> list[tuple[str, str]]:
    return [
        (each.rule.id, each.found.place.file.rpartition("/")[2])
        for each in examine(read_sources([url]))
    ]


def test_a_running_server_is_examined_and_a_dead_python_process_found(
    triton: LiveTriton, until: Callable[..., bool], alive: Callable[..., list[psutil.Process]]
) -> None:
    assert [rule for rule, model in rules_broken(triton.url) if model == "sound"] == []
    assert ("model-unavailable", "cpu_gpus") in rules_broken(triton.url)
    children = psutil.Process(triton.process.pid).children(recursive=True)
    (stub,) = [child for child in children if "/sound/" in " ".join(child.cmdline())]

    stub.send_signal(signal.SIGKILL)
    assert until(lambda: not alive([stub]))

    with urllib.request.urlopen(f"{triton.url}/v2/models/sound/ready") as answer:
        assert answer.status == 200
    assert until(lambda: ("dead-stub", "sound") in rules_broken(triton.url))
