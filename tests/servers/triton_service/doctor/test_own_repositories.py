"""What this study serves, and how it starts it, has no findings."""

import json
from pathlib import Path
from typing import Any

import pytest

from servers.triton_service.config import FORMS, Form, RepositorySpec
from servers.triton_service.doctor.reading.sources import read_sources
from servers.triton_service.doctor.rules import examine
from servers.triton_service.repository import write_repository

ROOT = Path(__file__).parents[4]


@pytest.fixture
def model_dir(tmp_path: Path, healthy: Any) -> Path:
    """As much of a built classifier as a repository is made from."""
    folder = tmp_path / "artefacts"
    folder.mkdir()
    labels = {"id2label": {str(k): str(k) for k in range(10)}}
    (folder / "config.json").write_text(json.dumps(labels), encoding="utf-8")
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    (folder / "model.onnx").write_bytes(healthy.network())
    return folder


def findings(*places: Path) -> list[tuple[str, str, str]]:
    found = examine(read_sources([str(place) for place in places]))
    return [(each.rule.id, str(each.found.place), each.found.message) for each in found]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ensemble", [True, False])
def test_a_repository_of_this_study_has_none(
    tmp_path: Path, model_dir: Path, form: Form, ensemble: bool
) -> None:
    spec = RepositorySpec(form=form, n_labels=10, model_dir=model_dir, ensemble=ensemble)
    write_repository(tmp_path / "repository", spec)
    assert findings(tmp_path / "repository") == []


def test_the_compose_files_of_this_study_have_none(tmp_path: Path, model_dir: Path) -> None:
    spec = RepositorySpec(form="native-tensorrt", n_labels=10, model_dir=model_dir)
    write_repository(tmp_path / "repository", spec)
    assert findings(ROOT / "compose", tmp_path / "repository") == []
