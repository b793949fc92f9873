"""Shared-memory regions: a tensor that is too large to be sent is put where Triton reads it.

tritonclient's own functions make them, fill them and read them. They are in modules of their own
and not methods of a client, and a tensor names its region instead of carrying a handle.
"""

import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any, Literal
from uuid import uuid4

import numpy as np
from tritonclient.utils import serialize_byte_tensor

from servers.triton_service.client.arrays import BYTES, Array, numpy_type
from servers.triton_service.client.errors import ANSWERED, UsageError
from servers.triton_service.client.spec import TensorSpec

RegionKind = Literal["system", "cuda"]
SYSTEM_MEMORY = "/dev/shm"


@dataclass(frozen=True)
class Region:
    """Memory for one tensor at a time, input or output, on Triton's own host."""

    name: str
    byte_size: int
    kind: RegionKind
    _functions: ModuleType
    _handle: Any
    _device_id: int = 0
    _in_use: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def registration(self) -> tuple[str, tuple[Any, ...]]:
        """The method of tritonclient's clients that tells Triton of it, with its arguments."""
        if self.kind == "cuda":
            raw = self._functions.get_raw_handle(self._handle)
            return "register_cuda_shared_memory", (self.name, raw, self._device_id, self.byte_size)
        return "register_system_shared_memory", (self.name, f"/{self.name}", self.byte_size)

    @property
    def removal(self) -> tuple[str, tuple[Any, ...]]:
        return f"unregister_{self.kind}_shared_memory", (self.name,)

    def write(self, where: str, tensor: TensorSpec, array: Array) -> int:
        """The bytes that the array takes in it; where begins the sentence if it has no room."""
        content = serialize_byte_tensor(array) if tensor.datatype == BYTES else array
        n_bytes = len(content.item()) if content.shape == () else content.nbytes
        if not 0 < n_bytes <= self.byte_size:
            raise UsageError(
                f"{where}, input {tensor.name!r}: expected 1 to {self.byte_size} bytes for its "
                f"region, found {n_bytes}: make a larger region, or none where there is nothing."
            )
        self._functions.set_shared_memory_region(self._handle, [content])
        return n_bytes

    def read(self, tensor: TensorSpec, shape: Sequence[int]) -> Array:
        """A copy: the region may be used again, or be gone, before its reader is done."""
        if 0 in shape:
            return np.empty(shape, numpy_type(tensor))
        found = self._functions.get_contents_as_numpy(self._handle, numpy_type(tensor), shape)
        return np.array(found)

    def destroy(self) -> None:
        self._functions.destroy_shared_memory_region(self._handle)

    @property
    def is_in_use(self) -> bool:
        return self._in_use.locked()

    def take(self) -> None:
        if not self._in_use.acquire(blocking=False):
            raise UsageError(
                f"region {self.name!r}: expected it to be free, found a request in it that Triton "
                "has not answered: use one region for each tensor and each request under way."
            )

    def give_back(self) -> None:
        self._in_use.release()


def new_region(byte_size: int, kind: RegionKind, device_id: int = 0) -> Region:
    """Made, and not yet known to Triton; UsageError where there is no such memory here."""
    if byte_size < 1:
        raise UsageError(f"expected a region of at least 1 byte, found {byte_size}: correct it.")
    name = f"client-{uuid4().hex}"
    if kind == "cuda":
        return _cuda_region(name, byte_size, device_id)
    free_bytes = shutil.disk_usage(SYSTEM_MEMORY).free
    if byte_size > free_bytes:  # the region would be made all the same, and filling it end us
        raise UsageError(
            f"expected {byte_size} bytes free in {SYSTEM_MEMORY}, found {free_bytes}: make a "
            "smaller region, or room there (docker run --shm-size)."
        )
    functions = import_module("tritonclient.utils.shared_memory")
    handle = functions.create_shared_memory_region(name, name, byte_size, create_only=True)
    return Region(name, byte_size, kind, functions, handle)


@contextmanager
def taken(regions: Sequence[Region]) -> Iterator[None]:
    """For one request. They are given back when Triton has answered, and never when it may still
    read and write in them: after a deadline, a lost connection or a cancelled call."""
    free: list[Region] = []
    try:
        for region in regions:
            region.take()
            free.append(region)
        yield
    except (UsageError, *ANSWERED):
        _give_back(free)
        raise
    _give_back(free)


def _give_back(regions: Sequence[Region]) -> None:
    for region in regions:
        region.give_back()


def _cuda_region(name: str, byte_size: int, device_id: int) -> Region:
    try:
        functions = import_module("tritonclient.utils.cuda_shared_memory")
        handle = functions.create_shared_memory_region(name, byte_size, device_id)
    except Exception as error:  # tritonclient's own class is in the module that may not load
        cause = error.__cause__ or error
        raise UsageError(
            f"expected CUDA device {device_id} for a CUDA region, found none ({cause}): use a "
            'region of kind "system".'
        ) from error
    return Region(name, byte_size, "cuda", functions, handle, device_id)
