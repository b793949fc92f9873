"""Half precision as it is really computed, and engines that are not what they are called."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from servers.classifier import Encoder, Engine, EngineName, Placement, load_engine
from servers.classifier.corpus import build_corpus
from servers.classifier.model_specs import TrainingSpec
from servers.classifier.precision_check import (
    PrecisionCheck,
    check_precision,
    problem_of,
    reference_logits,
)
from servers.engines import REAL_ENGINES

FP16 = Placement(precision="fp16")


@dataclass
class Disguised:
    """An engine under another label."""

    engine: Engine
    precision: str = "fp16"
    device: str = "cpu"
    name: EngineName = "torch"
    gain: float = 1.0

    def infer(
        self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        return self.gain * self.engine.infer(input_ids, attention_mask)


@pytest.fixture(scope="module")
def texts(study_seed: int) -> tuple[str, ...]:
    training = TrainingSpec()
    heldout = build_corpus(study_seed, training.n_training, training.n_heldout).heldout
    return tuple(message.text for message in heldout[:50])


@pytest.fixture(scope="module")
def reference(small_model_dir: Path, texts: tuple[str, ...]) -> NDArray[np.float32]:
    return reference_logits(small_model_dir, 1, texts, None)


def proved(
    engine: Engine, model_dir: Path, texts: tuple[str, ...], reference: NDArray[np.float32]
) -> PrecisionCheck:
    return check_precision(engine, Encoder(model_dir), texts, reference)


@pytest.mark.parametrize("name", ["torch", "onnxruntime"])
def test_half_precision_is_proved_on_the_cpu(
    name: EngineName,
    small_model_dir: Path,
    texts: tuple[str, ...],
    reference: NDArray[np.float32],
) -> None:
    engine = load_engine(name, small_model_dir, 1, FP16)
    check = proved(engine, small_model_dir, texts, reference)
    assert (check.precision_found, check.n_texts, check.labels_agree_ratio) == ("fp16", 50, 1.0)
    assert 1e-4 < check.max_abs_logit_difference < 0.05
    assert problem_of(check, engine, FP16) is None


@pytest.mark.parametrize("name", REAL_ENGINES)
def test_single_precision_gives_the_reference_answers(
    name: EngineName,
    small_model_dir: Path,
    texts: tuple[str, ...],
    reference: NDArray[np.float32],
) -> None:
    engine = load_engine(name, small_model_dir, 1)
    check = proved(engine, small_model_dir, texts, reference)
    assert check.labels_agree_ratio == 1.0
    assert check.max_abs_logit_difference < 1e-4
    assert problem_of(check, engine, Placement()) is None


def test_an_engine_that_claims_fp16_and_computes_in_fp32_is_caught(
    small_model_dir: Path, texts: tuple[str, ...], reference: NDArray[np.float32]
) -> None:
    engine = Disguised(load_engine("onnxruntime", small_model_dir, 1))
    check = proved(engine, small_model_dir, texts, reference)
    assert "the engine computes in FP32" in str(problem_of(check, engine, FP16))


def test_an_engine_whose_weights_are_not_as_asked_is_caught(
    small_model_dir: Path, texts: tuple[str, ...], reference: NDArray[np.float32]
) -> None:
    engine = load_engine("onnxruntime", small_model_dir, 1)
    check = proved(engine, small_model_dir, texts, reference)
    assert "loaded on cpu with fp32 weights" in str(problem_of(check, engine, FP16))
    on_cuda = Placement(device="cuda")
    assert "expected cuda and fp32, found" in str(problem_of(check, engine, on_cuda))


def test_logits_that_overflow_are_caught(
    small_model_dir: Path, texts: tuple[str, ...], reference: NDArray[np.float32]
) -> None:
    engine = Disguised(load_engine("onnxruntime", small_model_dir, 1))
    check = proved(engine, small_model_dir, texts, reference)
    check = replace(check, max_abs_logit_difference=float("nan"))
    assert "expected finite logits" in str(problem_of(check, engine, FP16))


def test_labels_that_differ_are_counted(
    small_model_dir: Path, texts: tuple[str, ...], reference: NDArray[np.float32]
) -> None:
    upside_down = Disguised(load_engine("onnxruntime", small_model_dir, 1), gain=-1.0)
    check = proved(upside_down, small_model_dir, texts, reference)
    assert check.labels_agree_ratio == 0.0
    assert check.max_abs_logit_difference == pytest.approx(2 * check.max_abs_logit, rel=1e-3)


def test_reference_answers_are_kept_for_the_next_engine(
    small_model_dir: Path, texts: tuple[str, ...], tmp_path: Path
) -> None:
    kept = tmp_path / "reference.npy"
    first = reference_logits(small_model_dir, 1, texts[:3], kept)
    np.save(kept, first + 1)
    np.testing.assert_array_equal(reference_logits(small_model_dir, 1, texts[:3], kept), first + 1)
