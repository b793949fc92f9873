"""Reads the Triton services of a compose file, with the lines that their settings stand in."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from servers.triton_service.doctor.deployments import Deployment, Word
from servers.triton_service.doctor.errors import DoctorError
from servers.triton_service.doctor.places import Place
from servers.triton_service.doctor.reading.repository import read_text

JOINED = ("ports", "volumes")
"""Lists to which a service adds what it extends; everything else it replaces."""


@dataclass(frozen=True)
class _Setting:
    """A value with its place; items have their own where the value is a list."""

    value: Any
    place: Place
    items: tuple[Word, ...] = ()


_Settings = Mapping[str, _Setting]


def read_compose(path: Path) -> tuple[Deployment, ...]:
    """Its services that are a Triton; DoctorError where the file is no YAML."""
    files: dict[Path, dict[str, _Settings]] = {}
    texts: dict[str, str] = {}
    found = []
    for name in _services(path, files, texts):
        settings = _extended(path, name, files, texts, ())
        deployment = _deployment(path, name, settings, texts)
        if deployment is not None:
            found.append(deployment)
    return tuple(found)


def _services(
    path: Path, files: dict[Path, dict[str, _Settings]], texts: dict[str, str]
) -> dict[str, _Settings]:
    if path not in files:
        texts[str(path)] = read_text(path)
        files[path] = _parsed(path, texts[str(path)])
    return files[path]


def _parsed(path: Path, text: str) -> dict[str, _Settings]:
    try:
        loader = yaml.SafeLoader(text)
        top = _entries(loader, loader.get_single_node())
        services = _entries(loader, top["services"][1]) if "services" in top else {}
        return {
            name: {
                key: _setting(loader, path, key_node, value)
                for key, (key_node, value) in _entries(loader, node).items()
            }
            for name, (_, node) in services.items()
        }
    except yaml.YAMLError as error:
        said = str(error).partition("\n")[0]
        raise DoctorError(
            f"expected a compose file in {path}, found YAML that cannot be read ({said}): correct "
            "it."
        ) from None


def _entries(
    loader: yaml.SafeLoader, node: yaml.Node | None
) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    """The entries of a mapping, those it merges among them; none of what is no mapping."""
    if not isinstance(node, yaml.MappingNode):
        return {}
    loader.flatten_mapping(node)
    return {str(key.value): (key, value) for key, value in node.value}


def _setting(loader: yaml.SafeLoader, path: Path, key: yaml.Node, node: yaml.Node) -> _Setting:
    items = node.value if isinstance(node, yaml.SequenceNode) else ()
    words = tuple(
        Word(str(item.value), Place(str(path), item.start_mark.line + 1))
        for item in items
        if isinstance(item, yaml.ScalarNode)
    )
    value = loader.construct_object(node, deep=True)
    return _Setting(value, Place(str(path), key.start_mark.line + 1), words)


def _extended(
    path: Path,
    name: str,
    files: dict[Path, dict[str, _Settings]],
    texts: dict[str, str],
    seen: tuple[tuple[Path, str], ...],
) -> dict[str, _Setting]:
    """A service with what it extends."""
    own = dict(_services(path, files, texts).get(name, {}))
    extends = own.get("extends")
    if extends is None or (path, name) in seen:
        return own
    named = extends.value if isinstance(extends.value, dict) else {"service": extends.value}
    other = path.parent / str(named["file"]) if "file" in named else path
    base = _extended(other, str(named.get("service")), files, texts, (*seen, (path, name)))
    for key in JOINED:
        if key in own and key in base:
            own[key] = _Setting(own[key].value, own[key].place, base[key].items + own[key].items)
    return base | own


def _deployment(
    path: Path, name: str, settings: dict[str, _Setting], texts: dict[str, str]
) -> Deployment | None:
    image = _image(path, settings, texts)
    words = _command(settings)
    starts = [k for k, word in enumerate(words) if word.text.rpartition("/")[2] == "tritonserver"]
    if not starts and not (image and "tritonserver" in image.text):
        return None
    places = (settings[key].place for key in ("image", "build", "command") if key in settings)
    ulimits = settings["ulimits"].value if "ulimits" in settings else {}
    return Deployment(
        name=name,
        place=next(places, Place(str(path))),
        texts=dict(texts),
        image=image,
        flags=words[starts[0] + 1 :] if starts else words,
        ports=settings["ports"].items if "ports" in settings else (),
        volumes=settings["volumes"].items if "volumes" in settings else (),
        shm_size=str(settings["shm_size"].value) if "shm_size" in settings else None,
        host_ipc="ipc" in settings and settings["ipc"].value == "host",
        ulimits=frozenset(ulimits) if isinstance(ulimits, dict) else frozenset(),
        gpu=_wants_gpu(settings),
    )


def _image(path: Path, settings: _Settings, texts: dict[str, str]) -> Word | None:
    """The image that is run, or where it is built here, the one that it is built from."""
    build = settings.get("build")
    if build is not None:
        given = build.value if isinstance(build.value, dict) else {"context": build.value}
        folder = Path(build.place.file).parent / str(given.get("context", "."))
        dockerfile = folder / str(given.get("dockerfile", "Dockerfile"))
        if dockerfile.is_file():
            texts[str(dockerfile)] = text = read_text(dockerfile)
            for k, line in reversed(list(enumerate(text.splitlines(), start=1))):
                named = [word for word in line.split()[1:] if not word.startswith("--")]
                if line.upper().startswith("FROM ") and named:
                    return Word(named[0], Place(str(dockerfile), k))
    image = settings.get("image")
    return Word(str(image.value), image.place) if image else None


def _command(settings: _Settings) -> tuple[Word, ...]:
    command = settings.get("command")
    if command is None or command.items:
        return command.items if command else ()
    try:
        words = shlex.split(str(command.value or ""))
    except ValueError:
        words = str(command.value).split()
    return tuple(Word(word, command.place) for word in words)


def _wants_gpu(settings: _Settings) -> bool:
    deploy = settings["deploy"].value if "deploy" in settings else {}
    return (
        "gpus" in settings
        or ("runtime" in settings and settings["runtime"].value == "nvidia")
        or "nvidia" in str(deploy)
        or "gpu" in str(deploy)
    )
