"""Writes a Triton model repository: `python -m servers.triton_service.repository --help`."""

import argparse
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tritonclient.grpc import model_config_pb2 as pb

from servers import text_rule
from servers.classifier import encoding
from servers.contract import MAX_LENGTH_TOKENS
from servers.engines import ENGINES
from servers.triton_service.checks import ConfigError, check_repository, parse_config, to_text
from servers.triton_service.config import FORMS, RepositorySpec, model_configs

MODELS_DIR = Path(__file__).parent / "models"
VERSION = "1"


def write_repository(target: Path, spec: RepositorySpec) -> None:
    """Fills target, an empty or new folder, with the models of spec.

    The native forms need nothing of this package: numpy and tokenizers are enough. The embedded
    classifier imports this package, and reads spec.model_dir while it serves.
    """
    if max(spec.length_buckets) != MAX_LENGTH_TOKENS:
        raise ConfigError(
            f"expected {MAX_LENGTH_TOKENS} tokens as the largest length bucket, found "
            f"{max(spec.length_buckets)}: texts of up to {MAX_LENGTH_TOKENS} tokens are served."
        )
    configs = model_configs(spec)
    texts = {config.name: to_text(config) for config in configs}
    check_repository([parse_config(text, name) for name, text in texts.items()], spec.batcher)
    files = {config.name: _files(config, spec.model_dir) for config in configs}
    sources = [source for of_model in files.values() for source in of_model.values()]
    for source in (*sources, spec.model_dir / ENGINES[spec.engine].network_file):
        if not source.exists():
            raise _not_built(source)
    for name, text in texts.items():
        version_dir = target / name / VERSION
        version_dir.mkdir(parents=True)
        (target / name / "config.pbtxt").write_text(text, encoding="utf-8")
        for file_name, source in files[name].items():
            _place(source, version_dir / file_name)


def count_labels(model_dir: Path) -> int:
    """How many labels the classifier of model_dir tells apart."""
    try:
        return len(encoding.read_labels(model_dir))
    except FileNotFoundError:
        raise _not_built(model_dir / "config.json") from None


def _files(config: pb.ModelConfig, model_dir: Path) -> Mapping[str, Path]:
    """The files of a model's version folder, by the name they get there."""
    files: dict[str, Path] = {}
    if config.backend == "python":
        files["model.py"] = MODELS_DIR / f"{config.name}.py"
    if config.name in ("tokenizer", "decoder"):
        files["encoding.py"] = Path(encoding.__file__)
        files["config.json"] = model_dir / "config.json"
    if config.name == "tokenizer":
        files["text_rule.py"] = Path(text_rule.__file__)
        files["tokenizer.json"] = model_dir / "tokenizer.json"
    elif config.backend == "onnxruntime":
        files["model.onnx"] = model_dir / "model.onnx"
    return files


def _place(source: Path, target: Path) -> None:
    """A hard link where the file system allows it: weights of hundreds of megabytes stay one."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _not_built(missing: Path) -> ConfigError:
    return ConfigError(
        f"expected {missing.name} in {missing.parent}, found none: build the model first "
        "(python -m servers.classifier build --help)."
    )


def main(argv: Sequence[str] | None = None) -> int:
    defaults = RepositorySpec(form="embedded", n_labels=1, model_dir=Path())
    parser = argparse.ArgumentParser(
        prog="python -m servers.triton_service.repository",
        description="Write a Triton model repository for tritonserver --model-repository.",
    )
    add = parser.add_argument
    add("--model-dir", type=Path, required=True, help="folder of the built classifier")
    add("--target", type=Path, required=True, help="folder to create; must not exist or be empty")
    add(
        "--form",
        choices=FORMS,
        required=True,
        help="embedded: ONNX Runtime in the Python backend; native-cpu: Triton's ONNX Runtime "
        "backend; native-tensorrt: the same with TensorRT in FP16 (TensorRT 10 or older)",
    )
    add(
        "--threads", type=int, default=1, help="CPU threads of each classifier instance (default 1)"
    )
    add("--max-batch-size", type=int, default=defaults.max_batch_size)
    add("--max-queue-delay-us", type=int, default=defaults.max_queue_delay_us)
    add("--instances", type=int, default=defaults.instances, help="classifier instances")
    add(
        "--length-buckets",
        type=int,
        nargs="+",
        default=defaults.length_buckets,
        metavar="TOKENS",
        help="padded lengths (default %(default)s); the native forms batch only requests of one "
        "length that arrive one after the other, so that few buckets give larger batches",
    )
    add("--engine-cache", default=defaults.engine_cache, help="TensorRT engines, inside Triton")
    given = parser.parse_args(argv)
    if given.target.exists() and any(given.target.iterdir()):
        return _refuse(f"expected {given.target} to be empty or absent, found files in it.")
    try:
        spec = RepositorySpec(
            form=given.form,
            n_labels=count_labels(given.model_dir),
            model_dir=given.model_dir.absolute(),
            threads=given.threads,
            max_batch_size=given.max_batch_size,
            max_queue_delay_us=given.max_queue_delay_us,
            instances=given.instances,
            length_buckets=tuple(given.length_buckets),
            engine_cache=given.engine_cache,
        )
        write_repository(given.target, spec)
    except ConfigError as error:
        return _refuse(str(error))
    return 0


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
