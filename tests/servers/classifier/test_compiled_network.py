"""The compiled network: made once, proved, and also where there is no C++ compiler."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from servers.classifier import compiled_network, load_engine
from servers.classifier.compiled_engine import CompiledTorchEngine
from servers.classifier.errors import ClassifierError


@pytest.fixture
def model_dir(small_model_dir: Path, tmp_path: Path) -> Path:
    """A model that nothing has been compiled for."""
    copied = tmp_path / "model"
    shutil.copytree(small_model_dir, copied)
    return copied


@pytest.fixture
def _no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)


def folders(model_dir: Path) -> list[str]:
    return sorted(path.name for path in model_dir.parent.iterdir() if path != model_dir)


@pytest.mark.usefixtures("_no_compiler")
def test_without_a_compiler_the_network_is_traced_once_and_gives_the_eager_logits(
    model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = CompiledTorchEngine(model_dir, threads=1)
    made = folders(model_dir)
    monkeypatch.setattr(compiled_network, "_make", lambda *_: pytest.fail("made again"))
    CompiledTorchEngine(model_dir, threads=1)

    assert (engine.made_by, engine.precision, engine.device) == ("trace and freeze", "fp32", "cpu")
    assert len(made) == 1
    ids = np.full((3, 29), 7, dtype=np.int64)
    eager = load_engine("torch", model_dir, 1).infer(ids, np.ones_like(ids))
    np.testing.assert_allclose(engine.infer(ids, np.ones_like(ids)), eager, rtol=0, atol=1e-4)


def test_a_compiler_that_fails_is_no_reason_to_go_without(
    model_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def compile_badly(_: torch.nn.Module, path: Path) -> None:
        path.write_bytes(b"half of it")
        raise RuntimeError("no headers\nand much more")

    monkeypatch.setattr(compiled_network, "_has_compiler", lambda: True)
    monkeypatch.setattr(compiled_network, "_compile", compile_badly)
    made = compiled_network.compiled_network(model_dir)

    assert [path.name for path in made.parent.iterdir()] == [compiled_network.TRACED_FILE]
    assert "AOTInductor failed (no headers): model is traced and frozen" in capsys.readouterr().err


@pytest.mark.usefixtures("_no_compiler")
def test_a_compiled_network_with_other_answers_is_refused_and_not_kept(
    model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other(torch.nn.Module):
        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return torch.zeros((ids.shape[0], 10)) + mask.sum()

    monkeypatch.setattr(
        compiled_network, "_trace", lambda _, path: torch.jit.script(Other()).save(str(path))
    )
    with pytest.raises(ClassifierError, match="expected the compiled network to give PyTorch's"):
        CompiledTorchEngine(model_dir, threads=1)
    assert folders(model_dir) == []


def test_another_processor_has_a_compiled_network_of_its_own(
    model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        compiled_network, "_make", lambda _, folder: (folder / "network.ts").touch()
    )
    names = set()
    for processor in ("one", "another"):
        monkeypatch.setattr(compiled_network, "cpu_model", lambda found=processor: found)
        names.add(compiled_network.compiled_network(model_dir).parent.name)
    assert len(names) == 2
