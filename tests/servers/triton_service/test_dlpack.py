"""Arrays through DLPack capsules, with numpy in the place of Triton."""

import ctypes
import gc
import weakref
from typing import Any

import numpy as np
import pytest

from servers.triton_service.dlpack import HandedOver, copied_array


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int64).reshape(2, 3),
        np.linspace(0, 1, 24, dtype=np.float32).reshape(2, 3, 4)[1:],
        np.arange(4, dtype=np.uint8),
        np.zeros((0, 5), dtype=np.float16),
    ],
    ids=["int64", "float32, not at its start", "uint8", "empty"],
)
def test_an_array_comes_back_with_its_numbers_type_and_shape(array: np.ndarray[Any, Any]) -> None:
    found = copied_array(array)

    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert np.array_equal(found, array)


def test_what_is_read_is_a_copy_that_may_be_written_to() -> None:
    array = np.arange(4)
    found = copied_array(array)
    array[:] = 0

    assert found.tolist() == [0, 1, 2, 3]
    assert found.flags.writeable  # PyTorch warns of arrays that are not


@pytest.mark.parametrize(("device_type", "readable"), [(1, True), (2, False), (3, True)])
def test_only_memory_of_the_host_is_read(device_type: int, readable: bool) -> None:
    class Elsewhere:
        """An array that says that it lies on a device of this type: CPU, CUDA, pinned host."""

        def __dlpack__(self) -> Any:
            capsule = np.arange(4).__dlpack__()
            ctypes.pythonapi.PyCapsule_GetPointer.restype = ctypes.c_void_p
            address = ctypes.pythonapi.PyCapsule_GetPointer(ctypes.py_object(capsule), b"dltensor")
            ctypes.c_int32.from_address(
                address + ctypes.sizeof(ctypes.c_void_p)
            ).value = device_type
            return capsule

    if readable:
        assert copied_array(Elsewhere()).tolist() == [0, 1, 2, 3]
    else:
        with pytest.raises(TypeError, match="in host memory, found device type 2"):
            copied_array(Elsewhere())


@pytest.mark.parametrize(
    "array",
    [np.arange(6).reshape(2, 3).T, np.arange(6)[::2], np.zeros(2, dtype=np.complex64)],
    ids=["transposed", "strided", "complex"],
)
def test_what_would_be_read_wrongly_is_refused(array: np.ndarray[Any, Any]) -> None:
    with pytest.raises(TypeError, match="expected a"):
        copied_array(array)


def test_a_consumer_of_a_handed_over_array_owns_it_alone() -> None:
    class Watched(np.ndarray[Any, Any]):
        pass

    array = np.arange(6, dtype=np.float32).view(Watched)
    gone = weakref.ref(array)
    consumed = np.from_dlpack(HandedOver(array))
    assert consumed.tolist() == [0, 1, 2, 3, 4, 5]

    del array
    gc.collect()
    assert gone() is not None  # what was handed over lives as long as its consumer
    del consumed
    gc.collect()
    assert gone() is None
