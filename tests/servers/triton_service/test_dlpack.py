"""Arrays through DLPack capsules, with numpy in the place of Triton."""

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


def test_what_is_read_is_a_copy() -> None:
    array = np.arange(4)
    found = copied_array(array)
    array[:] = 0

    assert found.tolist() == [0, 1, 2, 3]


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
