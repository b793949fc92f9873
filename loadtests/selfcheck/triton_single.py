"""What Triton and its client do with one model, one request or one call."""

import inspect
import re
from importlib import metadata

import numpy as np
import psutil
from tritonclient.grpc import InferenceServerClient, InferInput, InferResult
from tritonclient.utils import InferenceServerException

from loadtests.selfcheck.triton_bench import ANSWERED, LOADED, Bench, Seen, tensor
from servers.triton_service.checks import ConfigError, parse_config

PUBLISHED = """
platform: "onnxruntime_onnx" max_batch_size: 32
input [ { name: "input_ids" data_type: TYPE_INT64 dims: [ 128 ] } ]
output [ { name: "logits" data_type: TYPE_FP32 dims: [ 10 ] } ]
dynamic_batching { preferred_batch_size: [ 8, 16, 32 ] max_queue_delay_microseconds: 5000 }
instance_group [ { count: 2 kind: KIND_GPU } ]
optimization { execution_accelerators { gpu_execution_accelerator: [ {
  name: "tensorrt" parameters { key: "precision_mode" value: "FP16" } } ] } }
"""


def answers(bench: Bench) -> Seen:
    given = np.arange(8, dtype=np.int64).reshape(2, 4)
    found = bench.answer("echo", given)
    return bool((found == given).all()), f"shape {list(found.shape)} answered"


def without_config(bench: Bench) -> Seen:
    found = bench.load("unconfigured")
    if found == LOADED:
        found = bench.ask("unconfigured")
    return found == ANSWERED, found


def needs_both_inputs(bench: Bench) -> Seen:
    bench.load("two-inputs")
    found = bench.ask("two-inputs")
    return "expected 2 inputs but got 1" in found, found


def live_is_not_ready(bench: Bench) -> Seen:
    bench.load("no-backend")
    live, ready = bench.client.is_server_live(), bench.client.is_server_ready()
    return live and not ready, f"with a model that failed to load: live {live}, ready {ready}"


def process_for_each_instance(bench: Bench) -> Seen:
    bench.load("two-instances")
    family = psutil.Process(bench.server.pid).children(recursive=True)
    stubs = [p for p in family if any("/two-instances/" in part for part in p.cmdline())]
    # The shell that starts a stub may stay as its parent.
    stubs = [p for p in stubs if "triton_python_backend_stub" in p.cmdline()[0]]
    return len(stubs) == 2, f"{len(stubs)} Python processes for 2 instances"


def raw_bytes_over_http(bench: Bench) -> Seen:
    given = np.arange(4, dtype=np.int64).reshape(1, 4)
    reply = bench.http_binary("echo", given)
    return reply.endswith(given.tobytes()), f"{given.nbytes} bytes sent raw, and raw in the reply"


def absent_region(bench: Bench) -> Seen:
    try:
        bench.client.register_system_shared_memory("absent", "/no_such_key", 64)
    except InferenceServerException as error:
        found = str(error.message())
        return "Unable to open shared memory region" in found, found
    return False, "registered"


def absent_methods(bench: Bench) -> Seen:
    names = ("create_shared_memory_region", "register_shared_memory", "unregister_shared_memory")
    there = [name for name in names if hasattr(InferenceServerClient, name)]
    if "shared_memory" in inspect.signature(InferInput.set_data_from_numpy).parameters:
        there.append("set_data_from_numpy(shared_memory=)")
    return not there, f"there: {', '.join(there) or 'none of the four'}"


def no_output_names(bench: Bench) -> Seen:
    there = hasattr(InferResult, "get_output_names")
    found = bench.client.infer("echo", [tensor(np.zeros((1, 4), np.int64))])
    names = [output.name for output in found.get_response().outputs]
    return not there and names == ["Y"], f"get_output_names there: {there}; names found: {names}"


def formats(bench: Bench) -> Seen:
    _, of_stats, _ = bench.http("/v2/models/echo/stats")
    found = bench.metrics()
    is_text = found.startswith("# HELP") and "nv_inference_count{" in found
    seen = f"statistics as {of_stats}; metrics begin with {found[:40]!r}"
    return of_stats == "application/json" and is_text, seen


def unknown_option(bench: Bench) -> Seen:
    found = bench.usage("--response-timeout=5")
    line = next((each for each in found.splitlines() if "unrecognized option" in each), found[:200])
    return "unrecognized option" in line, line.rpartition("tritonserver: ")[2]


def default_ports(bench: Bench) -> Seen:
    usage = " ".join(bench.usage("--help").split())
    found = {
        name: re.search(rf"--{name}-port <integer> .*?[Dd]efault is (\d+)", usage)
        for name in ("http", "grpc", "metrics")
    }
    ports = {name: match[1] for name, match in found.items() if match}
    expected = {"http": "8000", "grpc": "8001", "metrics": "8002"}
    return ports == expected, f"defaults by --help: {ports}"


def no_perf_analyzer(bench: Bench) -> Seen:
    files = [str(file) for file in metadata.files("tritonclient") or ()]
    there = any("perf_analyzer" in file for file in files)
    version = metadata.version("tritonclient")
    return not there, f"tritonclient {version} brings perf_analyzer: {there}"


def negative_ids(bench: Bench) -> Seen:
    ids = np.random.default_rng(0).standard_normal((32, 128)).astype(np.int64)
    return int(ids.min()) < 0, f"ids from {ids.min()} to {ids.max()}"


def published_config_parses(bench: Bench) -> Seen:
    try:
        parse_config(PUBLISHED, "the published configuration")
    except ConfigError as error:
        return False, str(error)
    return True, "parsed"
