"""model.fp16.onnx: the exported network with its weights and arithmetic in half precision."""

from pathlib import Path

import onnxruntime

from servers.classifier.artefacts import cached_folder, digest_of, digest_of_files, versions_of
from servers.classifier.model_info import read_model_info
from servers.classifier.progress import say
from servers.placement import EngineUnavailableError

FILE_NAME = "model.fp16.onnx"


def fp16_model(model_dir: Path) -> Path:
    """The half-precision file of model_dir, made in a folder beside it when it is not there yet;
    EngineUnavailableError when it cannot be made.

    Its inputs stay int64 and its logits float32, so that it takes the place of model.onnx.
    """
    digest = digest_of(
        {
            "model": read_model_info(model_dir).digest,
            "code": digest_of_files([Path(__file__)]),
            "versions": versions_of("onnx") | {"onnxruntime": onnxruntime.__version__},
        }
    )

    def make(folder: Path) -> None:
        say(f"converting {model_dir.name} to FP16")
        _convert(model_dir / "model.onnx", folder / FILE_NAME)

    model_dir = model_dir.resolve()
    try:
        return cached_folder(model_dir.parent, f"{model_dir.name}-fp16-{digest}", make) / FILE_NAME
    except (ImportError, OSError) as error:
        raise EngineUnavailableError(
            f"expected to convert {model_dir / 'model.onnx'} to FP16, found {error}: make "
            f"{model_dir.parent} writable and install onnx, or use the FP32 model."
        ) from error


def _convert(source: Path, target: Path) -> None:
    # Only here: a converted model needs neither.
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=True), target)
    target.chmod(0o644)
