"""Triton's tensors as arrays and back, in its Python processes, with the numpy that is there.

The Python backend of Triton 2.51 was built for numpy 1. With numpy 2 its as_numpy() repeats the
first number for all of them and its Tensor(name, array) sends no bytes, both without an error:
numbers then travel through DLPack. Byte tensors have no such way round.
"""

from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from servers.triton_service.dlpack import HandedOver, copied_array

THROUGH_DLPACK = int(np.__version__.split(".")[0]) >= 2


def input_array(request: Any, name: str) -> NDArray[Any]:
    """An input of numbers, in its own shape."""
    tensor = pb_utils.get_input_tensor_by_name(request, name)
    array: NDArray[Any] = copied_array(tensor) if THROUGH_DLPACK else tensor.as_numpy()
    return array


def output_tensor(name: str, array: NDArray[Any]) -> Any:
    """An output of numbers; array is row-major and writable."""
    if THROUGH_DLPACK:
        return pb_utils.Tensor.from_dlpack(name, HandedOver(array))
    return pb_utils.Tensor(name, array)
