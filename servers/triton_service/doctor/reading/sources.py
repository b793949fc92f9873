"""Finds out what each thing named on the command line is, and reads it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from servers.triton_service.doctor.errors import DoctorError
from servers.triton_service.doctor.inspected import Inspected
from servers.triton_service.doctor.places import Release
from servers.triton_service.doctor.reading.client_code import read_client
from servers.triton_service.doctor.reading.compose import read_compose
from servers.triton_service.doctor.reading.repository import (
    CONFIG,
    is_model,
    is_repository,
    read_model,
    read_models,
)
from servers.triton_service.doctor.reading.running import read_server
from servers.triton_service.doctor.reading.script import read_script
from servers.triton_service.doctor.releases import release_of_server

YAML, SHELL = (".yaml", ".yml"), (".sh", ".bash")


def read_sources(
    places: Sequence[str], clients: Sequence[Path] = (), release: str | None = None
) -> Inspected:
    """Everything that the places hold: repositories, compose files, scripts, running servers."""
    found = Inspected(release=_release(release) if release else None)
    for place in places:
        found = _with(found, _read_url(place) if "://" in place else _read_path(Path(place)))
    return replace(found, clients=tuple(read_client(path) for path in clients))


def _read_url(url: str) -> Inspected:
    if not url.startswith(("http://", "https://")):
        raise DoctorError(f"expected a URL with http:// or https://, found {url}: correct it.")
    server, models = read_server(url)
    return Inspected(models=models, servers=(server,), release=release_of_server(server.version))


def _read_path(path: Path) -> Inspected:
    if not path.exists():
        raise DoctorError(f"expected {path} to exist, found nothing there: name another path.")
    if path.is_dir():
        return _read_folder(path)
    if path.name == CONFIG:
        return Inspected(models=(read_model(path.parent),))
    if path.suffix in (*YAML, *SHELL):
        found = _read_file(path)
        if not (found.deployments or found.script_lines):
            raise DoctorError(
                f"expected a Triton to be started in {path}, found no service or command with "
                "tritonserver: name another file."
            )
        return found
    raise DoctorError(
        f"expected a model repository, config.pbtxt, compose file, shell script or URL, found "
        f"{path}: name one of them (a client's code with --client)."
    )


def _read_file(path: Path) -> Inspected:
    if path.suffix in YAML:
        return Inspected(deployments=read_compose(path))
    deployments, lines = read_script(path)
    return Inspected(deployments=deployments, script_lines=lines)


def _read_folder(folder: Path) -> Inspected:
    """A repository, a model, or a project with repositories and compose files in it."""
    if is_repository(folder):
        return Inspected(models=read_models(folder))
    if is_model(folder):
        return Inspected(models=(read_model(folder),))
    found = Inspected()
    for child in sorted(folder.iterdir()):
        if child.is_dir() and not child.name.startswith(".") and is_repository(child):
            found = _with(found, Inspected(models=read_models(child)))
        elif child.is_file() and child.suffix in (*YAML, *SHELL):
            found = _with(found, _read_file(child))
    if found == Inspected():
        raise DoctorError(
            f"expected a model repository in {folder} (folders with a config.pbtxt or a numbered "
            "version), found none, and no compose file or script that starts a Triton: name "
            "another folder."
        )
    return found


def _with(one: Inspected, other: Inspected) -> Inspected:
    return Inspected(
        models=one.models + other.models,
        deployments=one.deployments + other.deployments,
        script_lines=one.script_lines + other.script_lines,
        servers=one.servers + other.servers,
        release=one.release or other.release,
    )


def _release(text: str) -> Release:
    found = Release.parse(text)
    if found is None or str(found) != text:
        raise DoctorError(
            f"expected --triton to be a release such as 24.10, found {text!r}: correct it."
        )
    return found
