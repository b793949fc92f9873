import json
import shutil
from pathlib import Path

from bundle.adopt import adopt
from loadtests.launch.artefacts import Artefacts


def test_a_model_made_with_other_libraries_is_found_here_and_keeps_its_digest(
    artefacts: Artefacts, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "small"
    shutil.copytree(artefacts.model_dir, elsewhere)
    info = json.loads((elsewhere / "model.json").read_text())
    (elsewhere / "model.json").write_text(json.dumps({**info, "digest": "f" * 16}))
    cache = tmp_path / "cache"
    cache.mkdir()
    folder = adopt(elsewhere, cache)
    assert folder == cache / artefacts.model_dir.name
    assert json.loads((folder / "model.json").read_text())["digest"] == "f" * 16
    assert [path.name for path in cache.iterdir()] == [folder.name]
