"""Reading a GPU, against a recorded fake of the driver (there is none where the suite runs)."""

import ast
import ctypes
import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from loadtests.host import nvml
from loadtests.host.nvml import SOURCES, Gpu, visible_device

LIBRARY_NAMES = {
    node.attr
    for node in ast.walk(ast.parse(inspect.getsource(nvml)))
    if isinstance(node, ast.Attribute) and node.attr.lower().startswith(("nvml", "c_nvml"))
} - {"nvmlReturn"}  # a field of c_nvmlGpmMetric_t


class FakeNvml:
    """Stands for the module pynvml on a machine with one H200, whose values are as it would give.

    refused maps a function to the error it raises; structures and errors are pynvml's own.
    """

    def __init__(self, refused: dict[str, type[Exception]] | None = None) -> None:
        self.refused = refused or {}
        self.asked: list[str] = []
        self.devices: list[object] = []
        self.allocated: list[object] = []
        self.taken: list[int] = []
        self.gpm_supported = 1
        self.gpm_returns = pynvml.NVML_SUCCESS
        self.sm_active_pct = iter((41.5, 62.25, 80.0))

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("nvml") or name.startswith("nvmlClocks"):
            return getattr(pynvml, name)
        answer = getattr(self, f"_{name}")

        def function(*arguments: Any) -> Any:
            self.asked.append(name)
            if name in self.refused:
                raise self.refused[name]
            return answer(*arguments)

        return function

    def _nvmlInit(self) -> None: ...
    def _nvmlDeviceGetHandleByIndex(self, index: int) -> object:
        self.devices.append(index)
        return "handle"

    _nvmlDeviceGetHandleByUUID = _nvmlDeviceGetHandleByIndex

    def _nvmlDeviceGetName(self, _: object) -> str:
        return "NVIDIA H200"

    def _nvmlSystemGetDriverVersion(self) -> str:
        return "570.124.06"

    def _nvmlDeviceGetUtilizationRates(self, _: object) -> Any:
        return SimpleNamespace(gpu=97, memory=12)

    def _nvmlDeviceGetMemoryInfo(self, _: object) -> Any:
        return SimpleNamespace(total=150754820096, used=2147483648, free=148607336448)

    def _nvmlDeviceGetPowerUsage(self, _: object) -> int:
        return 312_450  # milliwatts

    def _nvmlDeviceGetClockInfo(self, _: object, clock: int) -> int:
        return {pynvml.NVML_CLOCK_SM: 1980}[clock]

    def _nvmlDeviceGetTotalEnergyConsumption(self, _: object) -> int:
        return 8_123_456_789  # millijoules

    def _nvmlDeviceGetCurrentClocksEventReasons(self, _: object) -> int:
        return int(pynvml.nvmlClocksEventReasonSwPowerCap)

    def _nvmlDeviceGetCurrentClocksThrottleReasons(self, _: object) -> int:
        return int(pynvml.nvmlClocksThrottleReasonHwSlowdown)

    def _nvmlGpmQueryDeviceSupport(self, _: object) -> Any:
        return pynvml.c_nvmlGpmSupport_t(version=1, isSupportedDevice=self.gpm_supported)

    def _nvmlGpmSampleAlloc(self) -> Any:
        self.allocated.append(sample := ctypes.pointer(pynvml.struct_c_nvmlGpmSample_t()))
        return sample

    def _nvmlGpmSampleFree(self, sample: object) -> None:
        self.allocated.remove(sample)

    def _nvmlGpmSampleGet(self, _: object, sample: Any) -> None:
        assert sample in self.allocated
        self.taken.append(ctypes.addressof(sample.contents))

    def _nvmlGpmMetricsGet(self, request: Any) -> None:
        assert request.version == 1
        samples = (request.sample1, request.sample2)
        assert [ctypes.addressof(s.contents) for s in samples] == self.taken[-2:]
        asked = [request.metrics[k].metricId for k in range(request.numMetrics)]
        values = {
            pynvml.NVML_GPM_METRIC_SM_UTIL: next(self.sm_active_pct),
            pynvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL: 17.0,
        }
        for k, metric in enumerate(asked):
            request.metrics[k].value = values[metric]
            request.metrics[k].nvmlReturn = self.gpm_returns


@pytest.fixture
def find() -> Callable[..., Gpu | None]:
    def find_gpu(fake: FakeNvml, **environment: str) -> Gpu | None:
        return Gpu.find(environment, fake)  # type: ignore[arg-type] - stands for the module

    return find_gpu


@pytest.fixture
def two_samples(find) -> Callable[[FakeNvml], list[dict[str, Any]]]:
    def sample_twice(fake: FakeNvml) -> list[dict[str, Any]]:
        with find(fake).readings() as readings:
            return [readings.sample(), readings.sample()]

    return sample_twice


def test_every_name_taken_from_the_library_exists_in_it() -> None:
    assert len(LIBRARY_NAMES) > 15
    assert [name for name in LIBRARY_NAMES if not hasattr(pynvml, name)] == []


def test_the_fake_knows_every_function_the_code_calls() -> None:
    called = {name for name in LIBRARY_NAMES if name.startswith("nvml")}
    assert [name for name in called if not hasattr(FakeNvml, f"_{name}")] == []


def test_functions_take_as_many_arguments_in_the_fake_as_in_the_library() -> None:
    for name, function in vars(FakeNvml).items():
        if name.startswith("_nvml"):
            real = inspect.signature(getattr(pynvml, name[1:]))
            required = [p for p in real.parameters.values() if p.default is p.empty]
            assert len(inspect.signature(function).parameters) - 1 == len(required), name


def test_every_quantity_is_read_in_the_unit_its_column_names(two_samples) -> None:
    _, row = two_samples(FakeNvml())
    assert row == {
        "gpu_busy_pct": 97,
        "gpu_memory_bytes": 2147483648,
        "gpu_power_w": 312.45,
        "gpu_sm_clock_mhz": 1980,
        "gpu_energy_j": 8123456.789,
        "gpu_throttle_reasons": 0x4,
        "gpu_sm_active_ratio": 0.415,
        "gpu_tensor_active_ratio": 0.17,
    }
    assert set(row) == set(SOURCES)


def test_shares_of_time_need_two_samples_and_are_null_in_the_first_row(two_samples) -> None:
    first, second = two_samples(FakeNvml())
    assert first["gpu_sm_active_ratio"] is None
    assert first["gpu_busy_pct"] == 97
    assert second["gpu_sm_active_ratio"] == 0.415


def test_each_share_is_taken_since_the_sample_before(find) -> None:
    fake = FakeNvml()
    with find(fake).readings() as readings:
        rows = [readings.sample() for _ in range(4)]
        assert len(fake.allocated) == 2  # two samples take turns, none is made anew
    assert [row["gpu_sm_active_ratio"] for row in rows] == [None, 0.415, 0.6225, 0.8]


def test_gpm_samples_are_freed_also_when_the_block_ends_in_an_error(find) -> None:
    fake = FakeNvml()

    def stop_in_the_middle() -> None:
        with find(fake).readings() as readings:
            readings.sample()
            assert len(fake.allocated) == 2
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_in_the_middle()
    assert fake.allocated == []


def test_a_gpu_older_than_hopper_has_no_shares_of_time_and_everything_else(two_samples) -> None:
    fake = FakeNvml()
    fake.gpm_supported = 0
    rows = two_samples(fake)
    assert [row["gpu_sm_active_ratio"] for row in rows] == [None, None]
    assert rows[1]["gpu_energy_j"] == 8123456.789
    assert fake.asked.count("nvmlGpmQueryDeviceSupport") == 1
    assert "nvmlGpmSampleAlloc" not in fake.asked


def test_a_metric_that_gpm_refuses_by_itself_is_null(two_samples) -> None:
    fake = FakeNvml()
    fake.gpm_returns = pynvml.NVML_ERROR_NOT_SUPPORTED
    assert two_samples(fake)[1]["gpu_sm_active_ratio"] is None


def test_a_share_that_is_not_a_number_is_null(two_samples) -> None:
    fake = FakeNvml()
    fake.sm_active_pct = iter((float("nan"),))
    assert two_samples(fake)[1]["gpu_sm_active_ratio"] is None


def test_a_quantity_the_driver_refuses_is_null_and_is_not_asked_for_again(two_samples) -> None:
    function = "nvmlDeviceGetTotalEnergyConsumption"
    fake = FakeNvml({function: pynvml.NVMLError_NotSupported})
    rows = two_samples(fake)
    assert [row["gpu_energy_j"] for row in rows] == [None, None]
    assert rows[1]["gpu_power_w"] == 312.45
    assert fake.asked.count(function) == 1


def test_what_the_driver_refuses_is_described_in_its_words(find) -> None:
    refused = {
        "nvmlDeviceGetTotalEnergyConsumption": pynvml.NVMLError_NotSupported,
        "nvmlGpmSampleGet": pynvml.NVMLError_NoPermission,
    }
    fake = FakeNvml(refused)
    assert find(fake).describe()["refused"] == {
        "gpu_energy_j": "Not Supported",
        "gpu_sm_active_ratio": "Insufficient Permissions",
        "gpu_tensor_active_ratio": "Insufficient Permissions",
    }
    assert fake.allocated == []


def test_an_older_driver_is_asked_for_throttle_reasons_by_the_older_name(two_samples) -> None:
    refused = {"nvmlDeviceGetCurrentClocksEventReasons": pynvml.NVMLError_FunctionNotFound}
    assert two_samples(FakeNvml(refused))[1]["gpu_throttle_reasons"] == 0x8


def test_a_device_that_disappears_leaves_nulls_and_no_error(find) -> None:
    fake = FakeNvml()
    with find(fake).readings() as readings:
        assert readings.sample()["gpu_busy_pct"] == 97
        fake.refused = {name: pynvml.NVMLError_GpuIsLost for name in LIBRARY_NAMES}
        assert set(readings.sample().values()) == {None}
    assert "nvmlGpmSampleFree" in fake.asked


def test_no_driver_is_no_gpu(find) -> None:
    assert find(FakeNvml({"nvmlInit": pynvml.NVMLError_LibraryNotFound})) is None


def test_the_gpu_is_the_one_the_server_sees(find) -> None:
    fake = FakeNvml()
    assert find(fake, CUDA_VISIBLE_DEVICES="2,0").describe() == {
        "name": "NVIDIA H200",
        "driver": "570.124.06",
        "refused": {},
    }
    find(fake, CUDA_VISIBLE_DEVICES="GPU-5f3c")
    assert fake.devices == [2, "GPU-5f3c"]


def test_a_server_that_is_shown_no_gpu_has_none(find) -> None:
    fake = FakeNvml()
    assert find(fake, CUDA_VISIBLE_DEVICES="") is None
    assert fake.asked == []


@pytest.mark.parametrize(
    ("given", "device"),
    [
        ({}, 0),
        ({"CUDA_VISIBLE_DEVICES": "3"}, 3),
        ({"CUDA_VISIBLE_DEVICES": " 1 , 0"}, 1),
        ({"CUDA_VISIBLE_DEVICES": "GPU-8932f937,GPU-1"}, "GPU-8932f937"),
        ({"CUDA_VISIBLE_DEVICES": "MIG-GPU-8932f937/0/0"}, "MIG-GPU-8932f937/0/0"),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, None),
        ({"CUDA_VISIBLE_DEVICES": ""}, None),
    ],
)
def test_the_visible_device_is_the_first_of_the_list(
    given: dict[str, str], device: int | str | None
) -> None:
    assert visible_device(given) == device
