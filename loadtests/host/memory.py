"""How much memory the host and its GPU have left."""

from dataclasses import dataclass
from typing import Protocol as Interface

import psutil


class HasMemory(Interface):
    def memory(self) -> tuple[int, int]:
        """Free and total bytes."""
        ...


@dataclass(frozen=True)
class Memory:
    """Bytes of the host and of the GPU, and what they have in all; 0 where there is no GPU."""

    host_bytes: int = 0
    gpu_bytes: int = 0
    host_total_bytes: int = 0
    gpu_total_bytes: int = 0

    def less(self, after: "Memory") -> "Memory":
        """What has been taken since this was left."""
        taken = self.host_bytes - after.host_bytes, self.gpu_bytes - after.gpu_bytes
        return Memory(max(0, taken[0]), max(0, taken[1]))

    def largest(self, other: "Memory") -> "Memory":
        return Memory(max(self.host_bytes, other.host_bytes), max(self.gpu_bytes, other.gpu_bytes))

    def holds(self, needed: "Memory", kept_free_share: float) -> bool:
        """Whether needed fits into what is left, and a share of everything stays free."""
        return (
            self.host_bytes - needed.host_bytes >= kept_free_share * self.host_total_bytes
            and self.gpu_bytes - needed.gpu_bytes >= kept_free_share * self.gpu_total_bytes
        )


def memory_left(gpu: HasMemory | None) -> Memory:
    host = psutil.virtual_memory()
    free, total = gpu.memory() if gpu else (0, 0)
    return Memory(host.available, free, host.total, total)
