"""The network in ONNX Runtime."""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from servers.classifier.engines import EngineName

_PRECISIONS = {"tensor(float)": "fp32", "tensor(float16)": "fp16"}


class OnnxRuntimeEngine:
    """precision is the type of the logits, which the export leaves in the type of the weights."""

    name: EngineName = "onnxruntime"

    def __init__(self, model_dir: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        # Idle threads that spin would take the cores from the tokeniser and the web server.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(model_dir / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self.precision = _PRECISIONS[self._session.get_outputs()[0].type]
        self.device: str = (
            self._session.get_providers()[0].removesuffix("ExecutionProvider").lower()
        )

    def infer(
        self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        (logits,) = self._session.run(
            None, {"input_ids": input_ids, "attention_mask": attention_mask}
        )
        array: NDArray[np.float32] = logits.astype(np.float32, copy=False)
        return array
