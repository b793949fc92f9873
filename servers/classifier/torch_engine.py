"""The network in PyTorch, as transformers loads it."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification
from transformers.utils.logging import disable_progress_bar

from servers.classifier.engines import EngineName

_PRECISIONS = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}


class TorchEngine:
    """Sets the thread count of the whole process: PyTorch has no other."""

    name: EngineName = "torch"

    def __init__(self, model_dir: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        disable_progress_bar()
        self._model = AutoModelForSequenceClassification.from_pretrained(
            model_dir, local_files_only=True
        ).eval()
        self.precision = _PRECISIONS[self._model.dtype]
        self.device: str = self._model.device.type

    def infer(
        self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        with torch.inference_mode():
            logits = self._model(
                input_ids=torch.from_numpy(input_ids).to(self._model.device),
                attention_mask=torch.from_numpy(attention_mask).to(self._model.device),
            ).logits
        array: NDArray[np.float32] = logits.float().cpu().numpy()
        return array
