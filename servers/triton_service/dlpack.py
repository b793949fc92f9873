"""Arrays from Triton's DLPack capsules and back, without what is logged on the usual way.

np.from_dlpack and Tensor.from_dlpack work, but the Python backend of Triton 2.51 takes no notice of
the name that a consumed capsule gets by convention, and gives one of its own that numpy takes no
notice of: each capsule ends with an error in the log, three times a request.
"""

import ctypes
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

_IN_HOST_MEMORY = (1, 3)
"""kDLCPU and kDLCUDAHost of dlpack.h: where there is a GPU, Triton pins memory of the host."""
# Capsules keep only the address of their name: these must live as long as any capsule.
_FRESH = b"dltensor"
_CONSUMED = b"used_dltensor"
_KINDS = {0: "i", 1: "u", 2: "f"}

_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype = ctypes.c_void_p
_pointer_of.argtypes = (ctypes.py_object, ctypes.c_char_p)
_rename = ctypes.pythonapi.PyCapsule_SetName
_rename.argtypes = (ctypes.py_object, ctypes.c_char_p)
_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)


class DLPackTensor(Protocol):
    def __dlpack__(self) -> Any: ...


class HandedOver:
    """An array for a consumer that frees it and leaves its capsule alone: the capsule has no
    destructor, so that an array never consumed is never freed."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()

    def __dlpack__(self, **_: object) -> Any:
        capsule = self._array.__dlpack__()
        pointer = _pointer_of(capsule, _FRESH)
        _rename(capsule, _CONSUMED)
        return _new_capsule(pointer, _FRESH, None)


class _Tensor(ctypes.Structure):
    """DLTensor of dlpack.h, versions 0.2 to 1.1: unchanged since the first."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("type_code", ctypes.c_uint8),
        ("type_bits", ctypes.c_uint8),
        ("type_lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


def copied_array(tensor: DLPackTensor) -> NDArray[Any]:
    """A writable copy of a tensor in host memory of whole or floating-point numbers in row-major
    order, as Triton's are; TypeError on any other."""
    capsule = tensor.__dlpack__()
    found = _Tensor.from_address(_pointer_of(capsule, _FRESH))
    on_host = found.device_type in _IN_HOST_MEMORY
    if not on_host or found.type_lanes != 1 or found.type_code not in _KINDS:
        raise TypeError(
            "expected a tensor of numbers in host memory, found device type "
            f"{found.device_type}, type code {found.type_code}: convert it first."
        )
    dtype = np.dtype(f"{_KINDS[found.type_code]}{found.type_bits // 8}")
    shape = tuple(found.shape[axis] for axis in range(found.ndim))
    if found.strides and not _is_row_major(shape, found.strides[: found.ndim]):
        raise TypeError("expected a tensor in row-major order, found another: copy it first.")
    array = np.empty(shape, dtype)
    # Copied at once: the memory is Triton's, and goes with the capsule.
    ctypes.memmove(array.ctypes.data, (found.data or 0) + found.byte_offset, array.nbytes)
    return array


def _is_row_major(shape: Sequence[int], strides: Sequence[int]) -> bool:
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size > 1 and stride != expected:
            return False
        expected *= size
    return True
