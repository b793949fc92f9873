"""A model as its repository holds it, or as a running server shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tritonclient.grpc import model_config_pb2 as pb

from servers.triton_service.doctor.config_file import ConfigFile
from servers.triton_service.doctor.places import Place

PLATFORM_BACKENDS = {
    "onnxruntime_onnx": "onnxruntime",
    "tensorrt_plan": "tensorrt",
    "pytorch_libtorch": "pytorch",
    "tensorflow_savedmodel": "tensorflow",
    "tensorflow_graphdef": "tensorflow",
    "ensemble": "ensemble",
}
MODEL_FILES = {
    "onnxruntime": "model.onnx",
    "tensorrt": "model.plan",
    "python": "model.py",
    "pytorch": "model.pt",
    "openvino": "model.xml",
}
"""The file that each backend looks for where default_model_filename names no other."""


@dataclass(frozen=True)
class OnnxTensor:
    """datatype as Triton writes it, without TYPE_; -1 in shape is any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class OnnxGraph:
    inputs: tuple[OnnxTensor, ...]
    outputs: tuple[OnnxTensor, ...]
    external_files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Version:
    """A version folder: its files by their path in it, with their sizes."""

    number: int
    files_bytes: Mapping[str, int]
    onnx: OnnxGraph | None = None

    @property
    def size_bytes(self) -> int:
        return sum(self.files_bytes.values())


@dataclass(frozen=True)
class Model:
    """One model of a repository, or of a running server (served: there are no files to see)."""

    name: str
    folder: str
    config: ConfigFile | None
    versions: tuple[Version, ...] = ()
    other_folders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stray_files: tuple[str, ...] = ()
    served: bool = False

    @property
    def message(self) -> pb.ModelConfig:
        """Its configuration; an empty one where there is none, or none that can be read."""
        return self.config.message if self.config else pb.ModelConfig()

    @property
    def readable(self) -> bool:
        """Whether there is nothing in its configuration that the rules cannot see."""
        return self.config is None or self.config.problem is None

    @property
    def backend(self) -> str:
        """As configured, or as Triton derives it from the files; empty where neither says."""
        if self.message.backend or self.message.platform:
            named: str = self.message.backend or self.message.platform
            return PLATFORM_BACKENDS.get(named, named)
        for backend, file in MODEL_FILES.items():
            if any(file in version.files_bytes for version in self.versions):
                return backend
        return ""

    def place(self, *path: str) -> Place:
        """Where its configuration says it; the folder where it has none."""
        if self.config is None:
            return Place(self.folder)
        return Place(self.config.file, self.config.line(*path))
