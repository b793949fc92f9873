"""Reads a model repository as Triton would find it."""

import os
from collections.abc import Iterator
from pathlib import Path

from servers.regular_file import read_regular
from servers.triton_service.doctor.config_file import ConfigFile, read_config
from servers.triton_service.doctor.errors import DoctorError
from servers.triton_service.doctor.models import Model, Version
from servers.triton_service.doctor.reading.onnx_graph import read_onnx

CONFIG = "config.pbtxt"
CONFIG_MOST_BYTES = 2**20
STRAY = (".swp", ".swo", "~", ".orig", ".rej", ".tmp", ".bak")
STRAY_NAMES = (".ipynb_checkpoints", "__MACOSX", ".DS_Store", ".git")


def is_model(folder: Path) -> bool:
    """Whether Triton would find something to serve in a folder."""
    return (folder / CONFIG).is_file() or any(
        child.is_dir() and child.name.lstrip("v").isdecimal() and any(child.glob("model.*"))
        for child in _children(folder)
    )


def is_repository(folder: Path) -> bool:
    return any(child.is_dir() and is_model(child) for child in _children(folder))


def read_models(repository: Path) -> tuple[Model, ...]:
    """Every folder of a repository is a model to Triton."""
    return tuple(read_model(folder) for folder in _children(repository) if folder.is_dir())


def read_model(folder: Path) -> Model:
    config = folder / CONFIG
    versions, others = [], {}
    for child in (child for child in _children(folder) if child.is_dir()):
        if child.name.isdecimal() and str(int(child.name)) == child.name:
            versions.append(_version(child, _file_name(folder)))
        else:
            others[child.name] = tuple(_files(child))
    return Model(
        name=folder.absolute().name,
        folder=str(folder),
        config=read_config_file(config) if config.exists() else None,
        versions=tuple(sorted(versions, key=lambda version: version.number)),
        other_folders=others,
        stray_files=tuple(_stray(folder)),
    )


def read_config_file(path: Path) -> ConfigFile:
    return read_config(str(path), read_text(path))


def read_text(path: Path) -> str:
    """A small text file; DoctorError where it is none."""
    try:
        return read_regular(path, CONFIG_MOST_BYTES).decode("utf-8")
    except UnicodeDecodeError:
        raise DoctorError(
            f"expected {path} to be text in UTF-8, found other bytes: write it again as text."
        ) from None
    except OSError as error:
        raise DoctorError(
            f"expected to read {path}, found: {error.strerror}; name a file that can be read."
        ) from None


def _file_name(folder: Path) -> str:
    """The file that an ONNX model of this folder would be in."""
    config = folder / CONFIG
    named = read_config_file(config).message.default_model_filename if config.exists() else ""
    return named or "model.onnx"


def _version(folder: Path, network: str) -> Version:
    files = {name: (folder / name).stat().st_size for name in _files(folder)}
    places = [folder / network, folder / network / "model.onnx"]
    onnx = next((path for path in places if path.is_file() and path.suffix == ".onnx"), None)
    return Version(int(folder.name), files, read_onnx(onnx) if onnx else None)


def _files(folder: Path) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(parent) / name
            if path.is_file():
                yield path.relative_to(folder).as_posix()


def _stray(folder: Path) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        for name in sorted([*folders, *names]):
            if name in STRAY_NAMES or name.endswith(STRAY):
                yield str(Path(parent) / name)


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise DoctorError(
            f"expected to read the folder {folder}, found: {error.strerror}; name one that can be "
            "read."
        ) from None
