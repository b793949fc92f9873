"""The dynamic batcher and its queue."""

from collections.abc import Iterator

from tritonclient.grpc import model_config_pb2 as pb

from servers.triton_service.doctor.findings import Found
from servers.triton_service.doctor.inspected import Inspected
from servers.triton_service.doctor.models import Model

COMPLETING = ("onnxruntime", "tensorrt")
"""Backends that add a batcher by themselves."""
BATCHER = "dynamic_batching"
LONG_DELAY_US = 1000
"""A delay from which on a caller of a small model waits longer for others than for the model."""


def missing_batcher(inspected: Inspected) -> Iterator[Found]:
    for model in _unbatched(inspected):
        if model.config is None:
            continue
        if model.backend not in COMPLETING or _not_completed(inspected):
            yield Found(
                model.place("max_batch_size"),
                f"max_batch_size is {model.message.max_batch_size}, and no dynamic_batching says "
                "that requests share a batch.",
                model.config.with_added("dynamic_batching { }"),
            )


def derived_batcher(inspected: Inspected) -> Iterator[Found]:
    for model in _unbatched(inspected):
        if model.config and model.backend in COMPLETING and not _not_completed(inspected):
            yield Found(
                model.place("max_batch_size"),
                f"the {model.backend} backend adds dynamic_batching by itself here: write it down.",
                model.config.with_added("dynamic_batching { }"),
            )


def _unbatched(inspected: Inspected) -> Iterator[Model]:
    for model in inspected.models:
        scheduled = model.message.WhichOneof("scheduling_choice")
        if model.message.max_batch_size > 1 and not scheduled and model.backend != "ensemble":
            yield model


def _not_completed(inspected: Inspected) -> bool:
    named = [each.flag("disable-auto-complete-config") for each in inspected.deployments]
    # A running server shows its configurations as they are completed.
    return bool(inspected.servers) or (bool(named) and any(named))


def batcher_without_batch(inspected: Inspected) -> Iterator[Found]:
    for model in _batched(inspected):
        if model.message.max_batch_size == 0 and model.config is not None:
            yield Found(
                model.place(BATCHER),
                "dynamic_batching has no effect with max_batch_size: 0: set max_batch_size to what "
                "the model can take, or remove the batcher.",
                model.config.without(BATCHER),
            )


def preferred_above_max(inspected: Inspected) -> Iterator[Found]:
    for model in _batched(inspected):
        most = model.message.max_batch_size
        preferred = list(model.message.dynamic_batching.preferred_batch_size)
        if most and any(not 0 < size <= most for size in preferred) and model.config:
            yield Found(
                model.place(BATCHER, "preferred_batch_size"),
                f"expected preferred sizes from 1 to max_batch_size ({most}), found {preferred}.",
                model.config.without(BATCHER, "preferred_batch_size"),
            )


def preferred_sizes(inspected: Inspected) -> Iterator[Found]:
    for model in _batched(inspected):
        message = model.message
        preferred = list(message.dynamic_batching.preferred_batch_size)
        profiles = any(group.profile for group in message.instance_group)
        if not preferred or preferred == [message.max_batch_size] or profiles or not model.config:
            continue
        yield Found(
            model.place(BATCHER, "preferred_batch_size"),
            f"expected no preferred_batch_size, found {preferred}: without it Triton sends what "
            "waits as soon as an instance is free.",
            model.config.without(BATCHER, "preferred_batch_size"),
        )


def preferred_caps_batch(inspected: Inspected) -> Iterator[Found]:
    for model in _batched(inspected):
        preferred = list(model.message.dynamic_batching.preferred_batch_size)
        most = model.message.max_batch_size
        if preferred and 0 < max(preferred) < most:
            yield Found(
                model.place(BATCHER, "preferred_batch_size"),
                f"the largest preferred size is {max(preferred)} and max_batch_size {most}: "
                "batches are sent before they are full.",
            )


def queue_delay(inspected: Inspected) -> Iterator[Found]:
    compute_s = {
        counted.model: counted.mean_compute_s
        for server in inspected.servers
        for counted in server.counters
    }
    for model in _batched(inspected):
        delay_us = model.message.dynamic_batching.max_queue_delay_microseconds
        measured_s = compute_s.get(model.name)
        bound_us = LONG_DELAY_US if measured_s is None else measured_s * 1e6 / 2
        if delay_us <= 0 or delay_us < bound_us or model.config is None:
            continue
        against = f", the model itself {measured_s * 1e3:.1f} ms" if measured_s is not None else ""
        yield Found(
            model.place(BATCHER, "max_queue_delay_microseconds"),
            f"a lone request waits up to {delay_us / 1000:g} ms for others to join{against}: start "
            "with 0 and add delay only where measured batches stay small under load.",
            model.config.with_value("0", BATCHER, "max_queue_delay_microseconds"),
        )


def priority_default(inspected: Inspected) -> Iterator[Found]:
    for model in _batched(inspected):
        batcher = model.message.dynamic_batching
        levels, default = batcher.priority_levels, batcher.default_priority_level
        if levels and not 1 <= default <= levels and model.config:
            line = f"default_priority_level: {(levels + 1) // 2}"
            missing = model.config.find(BATCHER, "default_priority_level") is None
            yield Found(
                model.place(BATCHER, "priority_levels"),
                f"expected a default_priority_level from 1 to {levels}, found "
                f"{'none' if missing else default}.",
                model.config.with_added(line, BATCHER) if missing else "",
            )


def preserve_ordering(inspected: Inspected) -> Iterator[Found]:
    for model in _batched(inspected):
        batcher = model.message.dynamic_batching
        policies = [batcher.default_queue_policy, *batcher.priority_queue_policy.values()]
        delays = any(
            policy.default_timeout_microseconds
            and policy.timeout_action == pb.ModelQueuePolicy.DELAY
            for policy in policies
        )
        if batcher.preserve_ordering and (batcher.priority_levels > 1 or delays) and model.config:
            what = "the timeout action DELAY" if delays else f"{batcher.priority_levels} priorities"
            yield Found(
                model.place(BATCHER, "preserve_ordering"),
                f"expected one order of answers, found preserve_ordering with {what}.",
                model.config.without(BATCHER, "preserve_ordering"),
            )


def response_cache(inspected: Inspected) -> Iterator[Found]:
    known = bool(inspected.deployments)
    offered = any(
        each.flag("cache-config") or each.flag("response-cache-byte-size")
        for each in inspected.deployments
    )
    for model in inspected.models:
        if model.message.response_cache.enable and known and not offered:
            yield Found(
                model.place("response_cache"),
                "response_cache is on here, and the server is started without --cache-config: add "
                "--cache-config=local,size=BYTES, or remove it.",
            )


def _batched(inspected: Inspected) -> Iterator[Model]:
    return (model for model in inspected.models if model.message.HasField("dynamic_batching"))
