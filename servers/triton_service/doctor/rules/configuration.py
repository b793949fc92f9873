"""What a config.pbtxt says as a whole."""

import difflib
import re
from collections.abc import Iterator

from tritonclient.grpc import model_config_pb2 as pb

from servers.triton_service.checks import ensemble_problems
from servers.triton_service.doctor import edits
from servers.triton_service.doctor.config_file import ConfigFile
from servers.triton_service.doctor.findings import Found
from servers.triton_service.doctor.inspected import Inspected
from servers.triton_service.doctor.models import PLATFORM_BACKENDS, Model
from servers.triton_service.doctor.places import Place
from servers.triton_service.doctor.releases import known, release

_NO_FIELD = re.compile(r'type "(?P<message>[\w.]+)" has no field named "(?P<field>\w+)"')


def config_syntax(inspected: Inspected) -> Iterator[Found]:
    for model in inspected.models:
        config = model.config
        if config is None or config.problem is None:
            continue
        problem = config.problem
        meant = _field_meant(problem.message)
        yield Found(
            Place(config.file, problem.line),
            f"column {problem.column}: {problem.message}" + (f" Is it {meant}?" if meant else ""),
            _renamed_field(config, meant),
        )


def _field_meant(message: str) -> str:
    found = _NO_FIELD.search(message)
    if not found:
        return ""
    try:
        fields = pb.DESCRIPTOR.pool.FindMessageTypeByName(found["message"]).fields_by_name
    except KeyError:
        return ""
    return next(iter(difflib.get_close_matches(found["field"], list(fields), 1, 0.7)), "")


def _renamed_field(config: ConfigFile, meant: str) -> str:
    found = _NO_FIELD.search(config.problem.message) if config.problem else None
    if not (found and meant and config.problem):
        return ""
    return edits.in_line(config.file, config.text, config.problem.line, found["field"], meant)


def model_name(inspected: Inspected) -> Iterator[Found]:
    for model in inspected.models:
        named = model.message.name
        if model.config is not None and named and named != model.name:
            yield Found(
                model.place("name"),
                f'expected name: "{model.name}" as the folder is called, found "{named}".',
                model.config.with_value(f'"{model.name}"', "name"),
            )


def no_backend(inspected: Inspected) -> Iterator[Found]:
    for model in inspected.models:
        if model.config is not None and model.readable and not model.backend:
            yield Found(
                model.place(),
                "expected a backend, found none, and no file that tells one: add backend: with the "
                "name of one.",
            )


def platform_mismatch(inspected: Inspected) -> Iterator[Found]:
    for model in inspected.models:
        backend, platform = model.message.backend, model.message.platform
        expected = PLATFORM_BACKENDS.get(platform)
        if model.config is not None and backend and expected and expected != backend:
            yield Found(
                model.place("platform"),
                f'backend: "{backend}" runs this model, and platform: "{platform}" says otherwise: '
                "remove platform.",
                model.config.without("platform"),
            )


def newer_field(inspected: Inspected) -> Iterator[Found]:
    for model in inspected.models:
        for path, first in known()["fields"].items():
            steps = path.split(".")
            if not _is_set(model.message, steps):
                continue
            for meant in inspected.releases:
                if meant < release(first):
                    yield Found(
                        model.place(*steps),
                        f"expected fields that {meant} knows, found {steps[-1]}, which came with "
                        f"{first}: remove it, or use a newer image.",
                        model.config.without(*steps) if model.config else "",
                    )


def _is_set(message: pb.ModelConfig, path: list[str]) -> bool:
    for name in path[:-1]:
        message = getattr(message, name)
    return any(field.name == path[-1] for field, _ in message.ListFields())


def ensemble_step(inspected: Inspected) -> Iterator[Found]:
    models = {model.name: model.message for model in inspected.models}
    for model in inspected.models:
        steps = [each.model_name for each in model.message.ensemble_scheduling.step]
        unseen = [
            name for name in steps if (found := inspected.model(name)) and not _is_complete(found)
        ]
        if unseen:
            continue  # what Triton completes, or cannot read, is not known here
        for problem in ensemble_problems(model.message, models):
            step = re.match(r"step (.+?):", problem)
            where = ("ensemble_scheduling", f"step={step[1]}") if step else ("ensemble_scheduling",)
            yield Found(model.place(*where), f"{problem}.")


def _is_complete(model: Model) -> bool:
    return bool(model.readable and model.message.input and model.message.output)


def warm_up(inspected: Inspected) -> Iterator[Found]:
    for model in inspected.models:
        inputs = {tensor.name: tensor for tensor in model.message.input}
        needed = {name for name, tensor in inputs.items() if not tensor.optional}
        most = max(1, model.message.max_batch_size)
        for sample in model.message.model_warmup:
            place = model.place(f"model_warmup={sample.name}")
            if not 1 <= sample.batch_size <= most:
                yield Found(
                    place,
                    f"expected a batch_size from 1 to {most} for the warm-up {sample.name}, found "
                    f"{sample.batch_size}.",
                )
            if inputs and not needed <= set(sample.inputs) <= set(inputs):
                yield Found(
                    place,
                    f"expected the inputs {', '.join(inputs)} in the warm-up {sample.name}, found "
                    f"{', '.join(sample.inputs) or 'none'}.",
                )
