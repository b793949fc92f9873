"""What may be chosen of an engine, as words: the command line needs no more of it to give help."""

from typing import Literal

EngineName = Literal["torch", "onnxruntime"]
Device = Literal["cpu", "cuda"]
Precision = Literal["fp32", "fp16"]
