"""What the simulated device of a contender does over a slice, by the device's own clock."""

import numpy as np

from loadtests.host.nvml import Value
from loadtests.launch.server import RunningServer
from loadtests.records.trials import DeviceRecord
from servers.device_queue import DeviceQueue

BUSY_COLUMN = "gpu_busy_pct"
"""Of telemetry.parquet: the share of time with a pass on the device, as NVML has it of a kernel."""


class DeviceMeter:
    """Reads the queue of a device; label is what its curve is called wherever it stands."""

    def __init__(self, queue: DeviceQueue, label: str) -> None:
        self._queue = queue
        self.label = label
        self._first = self._last = queue.reading()

    def sample(self) -> dict[str, Value]:
        """The busy share since the sample before, in percent."""
        before, now = self._last, self._queue.reading()
        self._last = now
        return {BUSY_COLUMN: 100 * _share(now.busy_s - before.busy_s, now.at_s - before.at_s)}

    def record(self) -> DeviceRecord:
        """The device's figures since this meter was made."""
        now, first = self._queue.reading(), self._first
        passes = self._queue.passes_since(first)
        errors = [each.taken_s / each.by_curve_s - 1 for each in passes if each.by_curve_s]
        p50, p99 = np.percentile(errors, (50, 99)).tolist() if errors else (None, None)
        busy_share = _share(now.busy_s - first.busy_s, now.at_s - first.at_s)
        return DeviceRecord(self.label, now.passes - first.passes, busy_share, p50, p99)


def device_meter(server: RunningServer) -> DeviceMeter | None:
    """The meter of a contender's simulated device; None: its engine really computes."""
    device = server.device
    return DeviceMeter(device, server.contender.simulated_device) if device else None


def _share(busy_s: float, of_s: float) -> float:
    return min(max(busy_s / of_s, 0.0), 1.0) if of_s > 0 else 0.0
