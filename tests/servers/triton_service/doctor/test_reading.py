"""Repositories, compose files and scripts, and what cannot be read at all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from servers.triton_service.doctor.errors import DoctorError
from servers.triton_service.doctor.places import Release
from servers.triton_service.doctor.reading.compose import read_compose
from servers.triton_service.doctor.reading.repository import read_model
from servers.triton_service.doctor.reading.script import read_script
from servers.triton_service.doctor.reading.sources import read_sources

Write = Callable[[Any], None]


def test_a_model_has_its_versions_their_files_and_its_network(
    here: Path, healthy: Any, write: Write
) -> None:
    write(healthy.adding("models/bert/10/model.onnx", healthy.network("weights.bin")))

    model = read_model(here / "models/bert")

    assert [version.number for version in model.versions] == [1, 10]
    graph = model.versions[1].onnx
    assert graph is not None
    assert [(each.name, each.datatype, each.shape) for each in graph.inputs] == [
        ("input_ids", "INT64", (-1, -1)),
        ("attention_mask", "INT64", (-1, -1)),
    ]
    assert graph.outputs[0].shape == (-1, 10)
    assert graph.external_files == ("weights.bin",)


@pytest.mark.parametrize(
    ("files", "backend"),
    [
        ({"models/m/1/model.py": ""}, "python"),
        ({"models/m/1/model.plan": ""}, "tensorrt"),
        ({"models/m/config.pbtxt": 'platform: "onnxruntime_onnx"'}, "onnxruntime"),
        ({"models/m/config.pbtxt": 'backend: "fil"'}, "fil"),
    ],
)
def test_a_backend_is_configured_or_told_by_a_file(
    here: Path, healthy: Any, write: Write, files: dict[str, str], backend: str
) -> None:
    world = healthy.without(*healthy.files)
    for name, text in files.items():
        world = world.adding(name, text)
    write(world)
    assert read_model(here / "models/m").backend == backend


BASE = """\
x-limits: &limits
  shm_size: 2gb
services:
  base:
    <<: *limits
    image: nvcr.io/nvidia/tritonserver:24.10-py3
    volumes: [models:/models:ro]
    command: tritonserver --model-repository=/models --exit-on-error true
  other:
    image: redis
"""


def test_a_service_has_what_it_extends_with_the_lines_where_that_stands(here: Path) -> None:
    (here / "base.yaml").write_text(BASE)
    (here / "compose.yaml").write_text(
        "services:\n  triton:\n    extends: { file: base.yaml, service: base }\n"
        "    volumes: [cache:/cache]\n    gpus: all\n"
    )

    (triton,) = read_compose(Path("compose.yaml"))

    assert (triton.name, triton.release, triton.flavour) == ("triton", Release(24, 10), "py3")
    assert triton.image is not None
    assert (triton.image.place.file, triton.image.place.line) == ("base.yaml", 6)
    assert [word.text for word in triton.volumes] == ["models:/models:ro", "cache:/cache"]
    assert (triton.shm_size, triton.gpu) == ("2gb", True)
    assert triton.flag("exit-on-error") == "true"
    assert triton.flag("http-port") is None


def test_an_image_that_is_built_here_is_the_one_it_is_built_from(here: Path) -> None:
    (here / "Dockerfile").write_text(
        "FROM python AS tools\nFROM --platform=linux/amd64 nvcr.io/nvidia/tritonserver:25.01-py3\n"
    )
    (here / "compose.yaml").write_text("services:\n  triton:\n    build: .\n    image: mine\n")

    (triton,) = read_compose(Path("compose.yaml"))

    assert triton.image is not None
    assert (triton.image.text, triton.image.place.line) == (
        "nvcr.io/nvidia/tritonserver:25.01-py3",
        2,
    )


def test_a_docker_run_is_read_over_its_lines(here: Path) -> None:
    (here / "run.sh").write_text(
        "#!/bin/sh\n# docker run tritonserver is a comment\n"
        "docker run --gpus all --rm -p 8000:8000 \\\n  --shm-size=1g --ulimit memlock=-1 \\\n"
        "  -v /models:/models nvcr.io/nvidia/tritonserver:24.01-py3 \\\n"
        "  tritonserver --model-repository=/models --strict-readiness=false\n"
    )

    (triton,), lines = read_script(Path("run.sh"))

    assert lines == ()
    assert (triton.place.line, triton.gpu, triton.shm_size) == (3, True, "1g")
    assert triton.ulimits == {"memlock"}
    assert [(word.text, word.place.line) for word in triton.flags] == [
        ("--model-repository=/models", 6),
        ("--strict-readiness=false", 6),
    ]
    assert triton.image is not None
    assert triton.image.place.line == 5


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("models/bert/config.pbtxt", b"\xff\xfe\x00", "found other bytes"),
        ("models/bert/1/model.onnx", b"version https://git-lfs", "expected an ONNX network"),
        ("models/bert/1/model.onnx", b"", "expected an ONNX network"),
        ("compose.yaml", b"services: [", "YAML that cannot be read"),
        ("compose.yaml", b"\x00", "YAML that cannot be read"),
        ("client.py", b"def (", "what cannot be parsed in line 1"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(
    healthy: Any, write: Write, name: str, content: bytes, found: str
) -> None:
    write(healthy.adding(name, content))
    with pytest.raises(DoctorError, match=found) as refused:
        read_sources(["."], [Path("client.py")])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("nowhere", "found nothing there"),
        ("empty", "expected a model repository in empty"),
        ("notes.txt", "expected a model repository, config.pbtxt, compose file"),
        ("redis.yaml", "no service or command with tritonserver"),
        ("ftp://host", "expected a URL with http"),
        ("http://127.0.0.1:1", "expected a running Triton"),
    ],
)
def test_what_holds_no_triton_is_one_sentence(here: Path, place: str, found: str) -> None:
    (here / "empty").mkdir()
    (here / "notes.txt").touch()
    (here / "redis.yaml").write_text("services: { redis: { image: redis } }\n")
    with pytest.raises(DoctorError, match=found):
        read_sources([place])


@pytest.mark.parametrize("given", ["24", "24.1", "latest", "24.10-py3"])
def test_a_release_is_a_year_and_a_month(given: str) -> None:
    with pytest.raises(DoctorError, match="release such as 24.10"):
        read_sources([], (), given)
