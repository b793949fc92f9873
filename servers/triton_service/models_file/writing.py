"""Writes the model repository that a models file describes: whole, or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from servers.triton_service.checks import to_text
from servers.triton_service.doctor.config_file import config_of_message
from servers.triton_service.doctor.errors import DoctorError
from servers.triton_service.doctor.inspected import Inspected
from servers.triton_service.doctor.models import MODEL_FILES, Model, OnnxGraph
from servers.triton_service.doctor.models import Version as ReadVersion
from servers.triton_service.doctor.reading.onnx_graph import read_onnx
from servers.triton_service.doctor.rules import shapes
from servers.triton_service.models_file.config import model_config
from servers.triton_service.models_file.description import ModelEntry, ModelsFile, Version
from servers.triton_service.models_file.strict import ModelsFileError

ONNX_MODEL = Path(__file__).with_name("onnx_model.py")
NETWORK_RULES = (shapes.onnx_name, shapes.onnx_datatype, shapes.onnx_shape)


def write_models(models: ModelsFile, target: Path, embedded: bool = False) -> None:
    """Fills target, a new or empty folder. embedded: ONNX networks run in the Python backend, since
    the Triton of the study has no other; what else runs them stays as it is.

    ModelsFileError says what cannot be served as described; then nothing is left in target.
    """
    for model in models.models if embedded else ():
        _require_embeddable(model)
    with _appears_whole(target) as unfinished:
        for model in models.models:
            _write_model(model, unfinished / model.name, embedded)


def network_problem(model: ModelEntry, graph: OnnxGraph) -> str | None:
    """What keeps ONNX Runtime from serving the network as described, in the words of the doctor."""
    config = model_config(model)
    config.ClearField("version_policy")  # every version must fit, served or not
    read = Model(
        name=model.name,
        folder=model.name,
        config=config_of_message("config.pbtxt", config),
        versions=(ReadVersion(1, {}, graph),),
    )
    inspected = Inspected(models=(read,))
    problems = (found.message for rule in NETWORK_RULES for found in rule(inspected))
    return next(problems, None)


def _write_model(model: ModelEntry, folder: Path, embedded: bool) -> None:
    in_python = embedded and model.backend == "onnxruntime"
    for version in model.versions:
        version_folder = folder / str(version.number)
        version_folder.mkdir(parents=True)
        _place(version, version_folder / MODEL_FILES[model.backend])
        if model.backend == "onnxruntime":
            _require_fitting_network(model, version, version_folder)
        if in_python:
            shutil.copyfile(ONNX_MODEL, version_folder / MODEL_FILES["python"])
    config = model_config(model)
    if in_python:
        config.backend = "python"
    (folder / "config.pbtxt").write_text(to_text(config), encoding="utf-8")


def _place(version: Version, path: Path) -> None:
    if version.file is not None:
        shutil.copyfile(version.file, path)
    elif version.generator is not None:
        from servers.triton_service.models_file.networks import write_network  # imports PyTorch

        write_network(version.generator, path)


def _require_fitting_network(model: ModelEntry, version: Version, folder: Path) -> None:
    where = f"models.{model.name}.versions.{version.number}"
    try:
        graph = read_onnx(Path(version.file or folder / MODEL_FILES["onnxruntime"]))
    except DoctorError as error:
        raise ModelsFileError(f"{where}: {error}") from error
    problem = network_problem(model, graph)
    if problem:
        raise ModelsFileError(
            f"{where}: {problem.removesuffix('.')}; correct the file, or name another network."
        )
    for name in graph.external_files:
        weights, placed = Path(version.file or "").parent / name, folder / name
        beside = PurePosixPath(name).name == name and weights.is_file()
        if not beside or placed.exists():
            raise ModelsFileError(
                f"{where}: expected the weights of the network in {name} beside {version.file}, "
                "found none there that can be copied; copy it, too, or export the network as one "
                "file."
            )
        shutil.copyfile(weights, placed)


def _require_embeddable(model: ModelEntry) -> None:
    if model.backend not in ("onnxruntime", "python"):
        expected, found = 'backend = "onnxruntime" or "python"', f'"{model.backend}"'
    elif model.instances.kind != "cpu":
        expected, found = 'instances with kind = "cpu"', f'"{model.instances.kind}"'
    elif model.backend == "onnxruntime" and (not_numbers := _not_numbers(model)):
        expected, found = "tensors of numbers", not_numbers
    else:
        return
    raise ModelsFileError(
        f"models.{model.name}: expected {expected} for --embedded, whose Triton has the Python "
        f"backend only, found {found}; correct it, or leave --embedded out."
    )


def _not_numbers(model: ModelEntry) -> str:
    others = ("STRING", "BF16")
    tensors = (*model.inputs, *model.outputs)
    return next((f"{each.dtype} ({each.name})" for each in tensors if each.dtype in others), "")


@contextmanager
def _appears_whole(target: Path) -> Iterator[Path]:
    """A hidden folder that takes the place of target, new or empty, when the block ends well."""
    target = Path(os.path.realpath(target))
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ModelsFileError(
            f"expected {target} to be a new or an empty folder, found something there: name "
            "another one, or empty it."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".models-", dir=target.parent))
    try:
        unfinished.chmod(0o755)  # a server of another user reads it, too
        yield unfinished
        try:
            unfinished.rename(target)
        except OSError as error:  # somebody wrote there meanwhile, or something is mounted there
            raise ModelsFileError(
                f"expected {target} to be a new or an empty folder that can be replaced, found: "
                f"{error.strerror}; name another one."
            ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
