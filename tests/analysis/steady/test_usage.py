import numpy as np
import pandas as pd
import pynvml
import pytest

from analysis.read.run import TELEMETRY_COLUMNS
from analysis.steady.usage import CLOCK_EVENTS, take_usage

T_S = np.arange(0.0, 10.1, 0.5)


def usage(**columns):
    frame = pd.DataFrame({"t_s": T_S, **columns}).reindex(columns=TELEMETRY_COLUMNS)
    return take_usage(frame, {"server": (0, 1), "load": (2,)}, 2.0, 8.0)


def test_what_is_not_measured_is_none_and_never_zero():
    found = usage()
    assert found.server_cpu.per_s is None
    assert found.gateway_cpu.utilisation is None
    assert found.gpu_sm_active_ratio is None
    assert found.gpu_energy_w is None
    assert found.throttled_ratio is None


def test_cpu_of_each_role_is_the_growth_of_its_total():
    found = usage(server_cpu_s=T_S * 1.2, gateway_cpu_s=T_S * 0.3, load_cpu_s=7 + T_S * 0.1)
    assert found.server_cpu.utilisation == pytest.approx(0.6)
    assert found.gateway_cpu.per_s == pytest.approx(0.3)
    assert found.load_cpu.per_s == pytest.approx(0.1)


def test_energy_is_the_growth_of_its_total_and_activity_a_mean_over_the_window():
    active = np.where(T_S < 2, 0.0, 0.4)
    found = usage(gpu_energy_j=500 + T_S * 300, gpu_sm_active_ratio=active, gpu_busy_pct=90.0)
    assert found.gpu_energy_w == pytest.approx(300)
    assert found.gpu_sm_active_ratio == pytest.approx(0.4)
    assert found.gpu_busy_ratio == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("bits", "share"),
    [
        (0x00, 0.0),  # none
        (0x01, 0.0),  # idle
        (0x04, 0.0),  # software power cap: how a card keeps its limit
        (0x08, 1.0),  # hardware slow-down
        (0x24, 1.0),  # software thermal slow-down beside the power cap
        (0x40, 1.0),  # hardware thermal slow-down
        (0x80, 1.0),  # power brake
    ],
)
def test_only_heat_and_failing_power_count_as_throttling(bits, share):
    assert usage(gpu_throttle_reasons=bits).throttled_ratio == share


def test_throttling_is_counted_within_the_window_only():
    before = np.where(T_S < 2, 0x40, 0)
    assert usage(gpu_throttle_reasons=before).throttled_ratio == 0.0


def test_the_gpu_s_memory_is_a_peak_its_power_a_mean_and_its_clocks_are_kept():
    found = usage(
        gpu_memory_bytes=np.where(T_S == 5, 4e9, 3e9),
        gpu_power_w=np.where(T_S < 2, 100.0, 400.0),
        gpu_sm_clock_mhz=np.where(T_S < 5, 1200, 1980),
    )
    assert found.gpu_memory_bytes == 4_000_000_000
    assert found.gpu_power_w == pytest.approx(400)
    assert sorted(set(found.gpu_sm_clock_mhz)) == [1200, 1980]


def test_clock_events_are_named_with_their_share_of_the_samples():
    bits = np.where(T_S < 5, 0x04, 0x44)
    found = usage(gpu_throttle_reasons=bits).clock_events
    inside = (T_S >= 2) & (T_S <= 8)
    later = (T_S[inside] >= 5).mean()
    assert found == {
        "software power cap": 1.0,
        "hardware thermal slowdown": pytest.approx(later),
    }


def test_clocks_that_are_never_held_down_are_not_the_same_as_clocks_unknown():
    assert usage(gpu_throttle_reasons=0).clock_events == {}
    assert usage().clock_events is None


def test_every_reason_of_nvml_has_a_name():
    bits = {
        value
        for name, value in vars(pynvml).items()
        if name.startswith("nvmlClocksEventReason") and isinstance(value, int)
    }
    bits -= {pynvml.nvmlClocksEventReasonAll, pynvml.nvmlClocksEventReasonNone}
    assert set(CLOCK_EVENTS) == bits
