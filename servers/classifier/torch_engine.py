"""The network in PyTorch, as transformers loads it."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification
from transformers.utils.logging import disable_progress_bar

from servers.classifier.cuda_graphs import BucketedGraphs, CudaGraphRecorder
from servers.engines import EngineName
from servers.placement import CPU, EngineUnavailableError, Placement

PRECISIONS = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}


class TorchEngine:
    """Sets the thread count of the whole process: PyTorch has no other. graphs is None where
    every batch runs eagerly; batches beyond its shapes do, and it counts them."""

    name: EngineName = "torch"

    def __init__(self, model_dir: Path, threads: int, placement: Placement = CPU) -> None:
        _require_available(placement)
        torch.set_num_threads(threads)
        disable_progress_bar()
        self._model = AutoModelForSequenceClassification.from_pretrained(
            model_dir, local_files_only=True
        ).eval()
        if placement.precision == "fp16":
            self._model.half()
        self._model.to(placement.device)
        self.precision = precision_of(self._model.parameters())
        self.device: str = self._model.device.type
        self.graphs = self._recorded() if placement.cuda_graphs else None

    def infer(
        self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        if self.graphs is not None:
            recorded = self.graphs.infer(input_ids, attention_mask)
            if recorded is not None:
                return recorded
        with torch.inference_mode():
            logits = self._logits(
                torch.from_numpy(input_ids).to(self._model.device),
                torch.from_numpy(attention_mask).to(self._model.device),
            )
            array: NDArray[np.float32] = logits.cpu().numpy()
        return array

    def _logits(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """float32[batch, labels]; the conversion is part of what is recorded."""
        logits: torch.Tensor = self._model(
            input_ids=input_ids, attention_mask=attention_mask
        ).logits.float()
        return logits

    def _recorded(self) -> BucketedGraphs:
        try:
            with torch.inference_mode():
                return BucketedGraphs(CudaGraphRecorder(self._logits, self._model.device))
        except RuntimeError as error:
            raise EngineUnavailableError(
                "expected a network that can be recorded as CUDA graphs, found "
                f"{str(error).strip().splitlines()[0]!r}: set cuda_graphs = false."
            ) from error


def precision_of(parameters: Iterable[torch.Tensor]) -> str:
    """ "fp32", "fp16" or "bf16"; "mixed" when the weights are of more than one type."""
    types = {parameter.dtype for parameter in parameters}
    return PRECISIONS[types.pop()] if len(types) == 1 else "mixed"


def _require_available(placement: Placement) -> None:
    if placement.tensorrt:
        raise EngineUnavailableError(
            "expected the engine onnxruntime for tensorrt = true, found torch: set "
            "tensorrt = false or use a contender that runs ONNX Runtime."
        )
    if placement.cuda_graphs and placement.device != "cuda":
        raise EngineUnavailableError(
            'expected device = "cuda" for cuda_graphs = true, found "cpu": set '
            "cuda_graphs = false or place the engine on the GPU."
        )
    if placement.device == "cuda" and not torch.cuda.is_available():
        raise EngineUnavailableError(
            f'expected a CUDA device for device = "cuda", found none that torch '
            f"{torch.__version__} can use: install a CUDA build of torch on a host with an "
            'NVIDIA driver, or set device = "cpu".'
        )
