"""Reads the commands of a shell script that start a Triton or measure one."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from servers.triton_service.doctor.deployments import Deployment, ScriptLine, Word
from servers.triton_service.doctor.places import Place
from servers.triton_service.doctor.reading.repository import read_text

ALONE = ("--rm", "-d", "--detach", "-i", "-t", "-it", "-ti", "--init", "--privileged")
"""Options of `docker run` that take no value, as far as people give them to a Triton."""


def read_script(path: Path) -> tuple[tuple[Deployment, ...], tuple[ScriptLine, ...]]:
    """The starts of a Triton, and the calls of perf_analyzer."""
    text = read_text(path)
    deployments, lines = [], []
    for number, words in _commands(text):
        place = Place(str(path), number)
        if any(word.rpartition("/")[2] in ("docker", "podman") for word in words[:2]):
            if any("tritonserver" in word for word in words):
                deployments.append(_docker_run(words, place, text))
        elif words[0].rpartition("/")[2] == "tritonserver":
            flags = tuple(_word(word, place, text) for word in words[1:])
            deployments.append(
                Deployment(
                    words[0],
                    place,
                    {str(path): text},
                    flags=flags,
                    gpu=True,
                    host_ipc=True,
                    compose=False,
                )
            )
        elif words[0].rpartition("/")[2] == "perf_analyzer":
            lines.append(ScriptLine(tuple(words), place, text))
    return tuple(deployments), tuple(lines)


def _commands(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each command with the line that it begins in; a backslash continues it on the next line."""
    pending, start = "", 1
    for number, line in enumerate(text.splitlines(), start=1):
        if not pending:
            start = number
        pending += line.rstrip()
        if pending.endswith("\\"):
            pending = pending[:-1] + " "
            continue
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:  # a here-document, a function: nothing that starts a Triton
            words = []
        pending = ""
        if words:
            yield start, words


def _docker_run(words: Sequence[str], place: Place, text: str) -> Deployment:
    options, rest = _options(words)
    image, *command = rest or [""]
    if command and command[0].rpartition("/")[2] == "tritonserver":
        command = command[1:]

    def given(*names: str) -> tuple[Word, ...]:
        return tuple(_word(value, place, text) for name, value in options if name in names)

    sizes = given("--shm-size")
    return Deployment(
        name="docker run",
        place=place,
        texts={place.file: text},
        image=_word(image, place, text),
        flags=tuple(_word(word, place, text) for word in command),
        ports=given("-p", "--publish"),
        volumes=given("-v", "--volume"),
        shm_size=sizes[0].text if sizes else None,
        host_ipc=any(word.text == "host" for word in given("--ipc")),
        ulimits=frozenset(word.text.partition("=")[0] for word in given("--ulimit")),
        gpu=bool(given("--gpus")) or any(word.text == "nvidia" for word in given("--runtime")),
        compose=False,
    )


def _options(words: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """The options of `docker run`, and what follows them: the image and its command."""
    k = words.index("run") + 1 if "run" in words else 1
    options = []
    while k < len(words) and words[k].startswith("-"):
        name, equals, value = words[k].partition("=")
        k += 1
        if not equals and name not in ALONE:
            value = words[k] if k < len(words) else ""
            k += 1
        options.append((name, value))
    return options, list(words[k:])


def _word(word: str, place: Place, text: str) -> Word:
    """A word of a command, with the line of those that it is written on."""
    lines = text.splitlines()
    for number in range(place.line, len(lines) + 1):
        if word in lines[number - 1]:
            return Word(word, Place(place.file, number))
        if not lines[number - 1].rstrip().endswith("\\"):
            break
    return Word(word, place)
