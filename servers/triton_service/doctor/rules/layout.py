"""The folders and files of a repository."""

from collections.abc import Iterator

from servers.triton_service.doctor import edits
from servers.triton_service.doctor.findings import Found
from servers.triton_service.doctor.inspected import Inspected
from servers.triton_service.doctor.models import MODEL_FILES, Model, Version
from servers.triton_service.doctor.places import Place

NOT_VERSIONS = ("configs",)
"""Folders of a model that are meant to be there: configurations chosen by --model-config-name."""


def version_folder(inspected: Inspected) -> Iterator[Found]:
    for model in _on_disk(inspected):
        for name, files in model.other_folders.items():
            number = name.lower().lstrip("v").lstrip("0")
            meant = number.isdecimal() or any(file.startswith("model.") for file in files)
            if name in NOT_VERSIONS or not meant:
                continue
            taken = {str(version.number) for version in model.versions}
            new = number if number.isdecimal() and number not in taken else ""
            yield Found(
                Place(f"{model.folder}/{name}"),
                f"expected a version folder with a whole number as its name, found {name!r}"
                + (f": rename it to {new}." if new else ": give it a number of its own."),
                edits.renamed(model.folder, name, new, files) if new else "",
            )
        if not model.versions and not model.other_folders:
            yield Found(
                Place(model.folder), "expected a version folder such as 1 in the model, found none."
            )


def version_policy(inspected: Inspected) -> Iterator[Found]:
    for model in _on_disk(inspected):
        there = {version.number for version in model.versions}
        for wanted in model.message.version_policy.specific.versions:
            if wanted not in there:
                yield Found(
                    model.place("version_policy", "specific", "versions"),
                    f"expected the folder {wanted} that version_policy names, found "
                    f"{sorted(there) or 'no version'}.",
                )


def model_file(inspected: Inspected) -> Iterator[Found]:
    for model in _on_disk(inspected):
        expected = model.message.default_model_filename or MODEL_FILES.get(model.backend, "")
        if not expected or model.message.cc_model_filenames:
            continue
        for version in served(model):
            there = {name.partition("/")[0] for name in version.files_bytes}
            if expected in there or (expected == "model.pt" and "model.pt2" in there):
                continue
            yield Found(
                Place(f"{model.folder}/{version.number}"),
                f"expected {expected} for the {model.backend} backend, found "
                f"{', '.join(sorted(there)) or 'an empty folder'}: put it there, or name the file "
                "in default_model_filename.",
                _name_the_only(model, sorted(there), expected),
            )


def _name_the_only(model: Model, there: list[str], expected: str) -> str:
    """The fix where one file has the right ending and another name."""
    ending = expected.rpartition(".")[2]
    alike = [name for name in there if name.endswith(f".{ending}")]
    if model.config is None or len(alike) != 1:
        return ""
    return model.config.with_added(f'default_model_filename: "{alike[0]}"')


def external_data(inspected: Inspected) -> Iterator[Found]:
    for model in _on_disk(inspected):
        for version in served(model):
            for name in version.onnx.external_files if version.onnx else ():
                if name not in version.files_bytes:
                    yield Found(
                        Place(f"{model.folder}/{version.number}"),
                        f"expected {name} beside the ONNX file, which has its weights there, "
                        "found no such file: copy it too.",
                    )


def unserved_versions(inspected: Inspected) -> Iterator[Found]:
    for model in _on_disk(inspected):
        left = [version for version in model.versions if version not in served(model)]
        if left and model.readable:
            mebibytes = sum(version.size_bytes for version in left) / 2**20
            numbers = ", ".join(str(version.number) for version in left)
            yield Found(
                model.place("version_policy"),
                f"versions {numbers} ({mebibytes:.1f} MiB) are not served by the version policy: "
                "remove them, or list them.",
            )


def stray_files(inspected: Inspected) -> Iterator[Found]:
    for model in inspected.models:
        for path in model.stray_files:
            yield Found(
                Place(path), "expected files of the model only, found a leftover: remove it."
            )
        if model.name.startswith(".") or model.name == "__MACOSX":
            yield Found(
                Place(model.folder),
                "expected models only in the repository, found a folder that Triton would take for "
                "one: remove it.",
            )


def no_config(inspected: Inspected) -> Iterator[Found]:
    strict = any(
        deployment.flag("disable-auto-complete-config") for deployment in inspected.deployments
    )
    for model in _on_disk(inspected):
        if model.config is None and (strict or not model.backend) and model.versions:
            yield Found(
                Place(model.folder),
                "expected a config.pbtxt, found none"
                + (", and --disable-auto-complete-config" if strict else "")
                + (": no file there tells a backend." if not model.backend else ": write one."),
            )


def served(model: Model) -> tuple[Version, ...]:
    """The versions that its policy serves."""
    policy = model.message.version_policy
    if policy.HasField("all"):
        return model.versions
    if policy.HasField("specific"):
        return tuple(each for each in model.versions if each.number in policy.specific.versions)
    return model.versions[-max(1, policy.latest.num_versions) :]


def _on_disk(inspected: Inspected) -> Iterator[Model]:
    return (
        model
        for model in inspected.models
        if not model.served and not model.name.startswith((".", "__"))
    )
