"""The facts about one engine as it is placed: its precision proved, its own speed, its device."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from servers.classifier.corpus import build_corpus
from servers.classifier.curve import batch_latency_curve
from servers.classifier.encoding import Encoder
from servers.classifier.engines import Engine, load_engine
from servers.classifier.flops import flops_per_request
from servers.classifier.matrix_rate import matmul_flops_per_s
from servers.classifier.model_info import read_model_info
from servers.classifier.model_specs import TrainingSpec
from servers.classifier.precision_check import check_precision, problem_of, reference_logits
from servers.classifier.progress import say
from servers.classifier.text_files import read_texts
from servers.cpu_model import cpu_model
from servers.engines import ENGINES, EngineName
from servers.placement import EngineUnavailableError, Placement


@dataclass(frozen=True)
class Measurement:
    """What is measured; point_s bounds each point of the curve; texts None: the messages that were
    held out of the training; reference: where the reference logits are kept between engines of one
    model."""

    model_dir: Path
    engine: EngineName
    placement: Placement
    threads: int
    lengths_tokens: Sequence[int]
    batch_sizes: Sequence[int]
    repeats: int
    point_s: float
    texts: Path | None = None
    reference: Path | None = None


def measure(what: Measurement) -> dict[str, Any]:
    """An entry of engines.json without `used_by`: an engine that is unavailable, or is not what it
    was asked to be, is an entry that says so in its reason."""
    say(f"{what.engine} on {what.placement.device} in {what.placement.precision}: loading")
    try:
        engine = load_engine(what.engine, what.model_dir, what.threads, what.placement)
    except EngineUnavailableError as error:
        say(str(error))
        return _entry(what, available=False, reason=str(error))
    texts = _texts(what)
    reference = reference_logits(what.model_dir, what.threads, texts, what.reference)
    check = check_precision(engine, Encoder(what.model_dir), texts, reference)
    problem = problem_of(check, engine, what.placement)
    if problem:
        say(problem)
        return _entry(what, available=False, reason=problem)
    return _entry(what, precision_check=asdict(check), **_speed(what, engine))


def _speed(what: Measurement, engine: Engine) -> dict[str, Any]:
    config = json.loads((what.model_dir / "config.json").read_text(encoding="utf-8"))
    curve = batch_latency_curve(
        engine,
        config["vocab_size"],
        what.lengths_tokens,
        what.batch_sizes,
        what.repeats,
        what.point_s,
    )
    say("rate of large matrix products ...")
    return {
        "version": version_in_words(what.engine, engine),
        "device_name": _device_name(what.placement),
        "curve": [asdict(point) for point in curve],
        "matmul_flops_per_s": matmul_flops_per_s(what.placement.device, what.placement.precision),
    }


def _entry(what: Measurement, **found: Any) -> dict[str, Any]:
    counted = {
        str(length): flops_per_request(what.model_dir, length) for length in what.lengths_tokens
    }
    return {
        "engine": what.engine,
        "placement": asdict(what.placement),
        "available": True,
        "reason": "",
        "version": _version(what.engine),
        "device_name": "",
        "precision_check": None,
        "curve": [],
        "flops_per_request": {k: flops for k, flops in counted.items() if flops is not None},
        "matmul_flops_per_s": None,
        **found,
    }


def _texts(what: Measurement) -> tuple[str, ...]:
    if what.texts:
        return read_texts(what.texts)
    training = TrainingSpec()
    seed = read_model_info(what.model_dir).seed
    corpus = build_corpus(seed, training.n_training, training.n_heldout)
    return tuple(message.text for message in corpus.heldout)


def version_in_words(name: EngineName, engine: Engine) -> str:
    """The library of an engine with its version, and which compiler made what it runs."""
    return _version(name) + _made_by(engine)


def _version(engine: EngineName) -> str:
    return f"{engine} {import_module(ENGINES[engine].library).__version__}"


def _made_by(engine: Engine) -> str:
    """Which compiler made what it runs; most engines have none to name."""
    made_by = getattr(engine, "made_by", None)
    return f" ({made_by})" if made_by else ""


def _device_name(placement: Placement) -> str:
    if placement.device == "cpu":
        return cpu_model()
    # Asked of PyTorch for ONNX Runtime, too, which has no name for its device.
    return str(torch.cuda.get_device_name()) if torch.cuda.is_available() else ""
