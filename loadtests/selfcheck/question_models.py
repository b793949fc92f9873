"""The model repository that the questions are asked of.

A pass of these models is simulated: it sleeps 4 ms and 0.25 ms a row, so that a batch of 32 costs
three times one row, and the CPU is free meanwhile. Models that work keep a core busy.
"""

from typing import Any

from tritonclient.grpc import model_config_pb2 as pb

from loadtests.selfcheck.tiny_models import TinyModel, batching, echo, on_cpu, parameters

MAX_BATCH = 32
PASS = parameters(pause_s=0.004, row_pause_s=0.00025)
DELAYS_MS = (0, 1, 2, 5, 10)
PREFERRED = (4, 8, 16, 32)
INSTANCES = (1, 2, 4)
QUEUE_PLACES, QUEUE_TIMEOUT_US = 4, 20_000

_ANY_LENGTH = [-1]
_POLICY = pb.ModelQueuePolicy


def _passes(name: str, **changes: Any) -> str:
    given: dict[str, Any] = {"max_batch_size": MAX_BATCH, "parameters": PASS}
    return echo(name, **(given | changes))


def _tensors(**more: Any) -> dict[str, Any]:
    """An input and an output of any length."""
    return {
        "input": [pb.ModelInput(name="X", data_type=pb.TYPE_INT64, dims=_ANY_LENGTH, **more)],
        "output": [pb.ModelOutput(name="Y", data_type=pb.TYPE_INT64, dims=_ANY_LENGTH)],
    }


def _queue(name: str, **policy: Any) -> str:
    """One row at a time, with what its queue does with too many."""
    policy_set = _POLICY(**policy)
    return _passes(name, max_batch_size=1, **batching(default_queue_policy=policy_set))


def _ensemble(name: str, **more: Any) -> str:
    step = pb.ModelEnsembling.Step(model_name="uncached", model_version=-1)
    step.input_map["X"], step.output_map["Y"] = "X", "Y"
    scheduling = pb.ModelEnsembling(step=[step])
    given: dict[str, Any] = {"backend": "", "instance_group": [], "parameters": {}}
    given |= {"platform": "ensemble", "ensemble_scheduling": scheduling}
    return echo(name, **given, **more)


def _batchers() -> dict[str, str]:
    delays = {
        f"delay-{ms}": _passes(f"delay-{ms}", **batching(max_queue_delay_microseconds=1000 * ms))
        for ms in DELAYS_MS
    }
    preferred = {
        f"preferred-{ms}": _passes(
            f"preferred-{ms}",
            **batching(preferred_batch_size=PREFERRED, max_queue_delay_microseconds=1000 * ms),
        )
        for ms in (0, 5)
    }
    return delays | preferred | {"alone": _passes("alone")}


def _instances() -> dict[str, str]:
    found = {}
    for n in INSTANCES:
        group: dict[str, Any] = {"instance_group": [on_cpu(n)]}
        works = parameters(work_s=0.005)
        found[f"passes-{n}"] = _passes(f"passes-{n}", max_batch_size=1, **group)
        found[f"works-{n}"] = echo(f"works-{n}", max_batch_size=1, parameters=works, **group)
    return found


def question_models() -> list[TinyModel]:
    cached = {"response_cache": pb.ModelResponseCache(enable=True)}
    decoupled = {"model_transaction_policy": pb.ModelTransactionPolicy(decoupled=True)}
    slow = parameters(pause_s=0.02)
    two_classes = batching(priority_levels=2, default_priority_level=2)
    configs = {
        **_batchers(),
        **_instances(),
        "wide": echo("wide", **_tensors()),
        "mixed": _passes("mixed", **_tensors(), **batching()),
        "ragged": _passes("ragged", **_tensors(allow_ragged_batch=True), **batching()),
        "one-class": _passes("one-class", max_batch_size=4, **batching()),
        "two-classes": _passes("two-classes", max_batch_size=4, **two_classes),
        "unbounded": _queue("unbounded"),
        "few-places": _queue("few-places", max_queue_size=QUEUE_PLACES),
        "rejects": _queue("rejects", default_timeout_microseconds=QUEUE_TIMEOUT_US),
        "delays": _queue(
            "delays",
            default_timeout_microseconds=QUEUE_TIMEOUT_US,
            timeout_action=_POLICY.DELAY,
        ),
        "uncached": echo("uncached", parameters=slow),
        "cached": echo("cached", parameters=slow, **cached),
        "cached-ensemble": _ensemble("cached-ensemble", **cached),
        "decoupled": echo("decoupled", parameters=slow, **decoupled),
        "cached-decoupled": echo("cached-decoupled", parameters=slow, **cached, **decoupled),
        "light": echo("light"),
        "mortal": echo("mortal"),
        "heavy": echo("heavy", parameters=parameters(work_s=0.05)),
        "both": echo("both", parameters=parameters(work_s=0.05, work_if="first")),
    }
    return [TinyModel(folder, config) for folder, config in configs.items()]
