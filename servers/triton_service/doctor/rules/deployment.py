"""How a Triton is started and measured."""

import difflib
from collections.abc import Iterator, Mapping

from servers.triton_service.doctor import edits
from servers.triton_service.doctor.deployments import Deployment, Word
from servers.triton_service.doctor.findings import Found
from servers.triton_service.doctor.inspected import Inspected
from servers.triton_service.doctor.releases import known, release, since

PORTS = {"http-port": "8000", "grpc-port": "8001", "metrics-port": "8002"}
LIMITS = {"memlock": "-1", "stack": "67108864"}
MEASURED_BATCH = ("-b", "--batch-size")


def unknown_flag(inspected: Inspected) -> Iterator[Found]:
    table = known()["flags"]
    for each in inspected.deployments:
        for word in each.flags:
            name = word.text.partition("=")[0].removeprefix("--")
            if not word.text.startswith("--") or name in table["known"] or "$" in name:
                continue
            first = table["since"].get(name)
            if first and not (each.release and each.release < release(first)):
                continue
            near = difflib.get_close_matches(name, table["known"], 1, 0.85)
            instead = table["instead"].get(name) or (f"--{near[0]}" if near else "")
            yield Found(
                word.place,
                f"expected flags of tritonserver, found --{name}"
                + (f", which came with {first}" if first else "")
                + (f": use {instead}." if instead else ": remove it."),
                _without(each, word),
            )


def shm_size(inspected: Inspected) -> Iterator[Found]:
    for each in inspected.deployments:
        if each.shm_size is None and not each.host_ipc:
            place = each.place
            fix = (
                edits.before_line(place.file, each.texts[place.file], place.line, "shm_size: 1gb")
                if each.compose
                else edits.in_line(
                    place.file, each.texts[place.file], place.line, " run", " run --shm-size=1g"
                )
            )
            yield Found(
                place, "expected a size for /dev/shm, found none: the container gets 64 MB.", fix
            )


def ulimits(inspected: Inspected) -> Iterator[Found]:
    for each in inspected.deployments:
        missing = {name: value for name, value in LIMITS.items() if name not in each.ulimits}
        if missing and each.image:
            named = ", ".join(f"{name}={value}" for name, value in missing.items())
            yield Found(
                each.place, f"expected ulimits {named}, found none.", _limits(each, missing)
            )


def _limits(each: Deployment, missing: Mapping[str, str]) -> str:
    place, text = each.place, each.texts[each.place.file]
    if not each.compose:
        options = "".join(f" --ulimit {name}={value}" for name, value in missing.items())
        return edits.in_line(place.file, text, place.line, " run", f" run{options}")
    if each.ulimits:
        return ""
    lines = (f"  {name}: {value}" for name, value in missing.items())
    return edits.before_line(place.file, text, place.line, "ulimits:", *lines)


def port_not_served(inspected: Inspected) -> Iterator[Found]:
    for each in inspected.deployments:
        ports = {each.flag(flag) or default for flag, default in PORTS.items()}
        for word in each.ports:
            inside = word.text.rpartition(":")[2].partition("/")[0]
            if inside.isdigit() and inside not in ports:
                yield Found(
                    word.place,
                    f"expected one of Triton's ports {', '.join(sorted(ports))} inside the "
                    f"container, found {word.text}.",
                )


def client_shm_flag(inspected: Inspected) -> Iterator[Found]:
    used = [client for client in inspected.clients if client.uses_shared_memory is not None]
    for each in inspected.deployments:
        late = each.release and each.release >= since("client_shared_memory_off")
        if used and late and each.flag("allow-client-shm") != "true":
            yield Found(
                each.place,
                f"{used[0].file} uses shared memory, which {each.release} allows only with "
                "--allow-client-shm=true: add it.",
            )


def poll_mode(inspected: Inspected) -> Iterator[Found]:
    for each in inspected.deployments:
        for word in each.flags:
            if (
                word.text.startswith("--model-control-mode")
                and each.flag("model-control-mode") == "poll"
            ):
                yield Found(
                    word.place,
                    "expected --model-control-mode=explicit or none, found poll.",
                    _in_line(each, word, word.text.replace("poll", "explicit")),
                )


def exit_on_error(inspected: Inspected) -> Iterator[Found]:
    singles = [model for model in inspected.models if model.backend != "ensemble"]
    for each in inspected.deployments:
        if len(singles) > 1 and each.flags and each.flag("exit-on-error") is None:
            yield Found(
                each.flags[0].place,
                f"{len(singles)} models, and nothing says whether one that does not load ends the "
                "server: give --exit-on-error=false or =true.",
            )


def own_batches(inspected: Inspected) -> Iterator[Found]:
    for line in inspected.script_lines:
        for name, value in zip(line.words, [*line.words[1:], ""], strict=True):
            option, _, joined = name.partition("=")
            size = joined or value
            if option in MEASURED_BATCH and size.isdigit() and int(size) > 1:
                yield Found(
                    line.place,
                    f"each request is a batch of {size} already: measure the batcher with -b 1 and "
                    "many callers (--concurrency-range).",
                    edits.in_line(
                        line.place.file,
                        line.text,
                        line.place.line,
                        f"{option} {size}",
                        f"{option} 1",
                    ),
                )


def _in_line(each: Deployment, word: Word, new: str) -> str:
    place = word.place
    return edits.in_line(place.file, each.texts[place.file], place.line, word.text, new)


def _without(each: Deployment, word: Word) -> str:
    """Takes a flag out: its line where it stands alone on one, else the word."""
    text = each.texts[word.place.file]
    lines = text.splitlines()
    if lines[word.place.line - 1].strip(" -\\\"'") == word.text.lstrip("-") and each.compose:
        rest = lines[: word.place.line - 1] + lines[word.place.line :]
        return edits.diff(word.place.file, text, "\n".join(rest))
    return edits.in_line(word.place.file, text, word.place.line, f" {word.text}", "")
