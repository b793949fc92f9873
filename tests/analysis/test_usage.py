import numpy as np
import pandas as pd
import pytest

from analysis.load import TELEMETRY_COLUMNS
from analysis.usage import growth, take_usage

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


def test_growth_is_interpolated_between_samples():
    frame = pd.DataFrame({"t_s": [0.0, 1.0, 2.0], "server_cpu_s": [0.0, 1.0, 4.0]})
    found = growth(frame, "server_cpu_s", np.array([0.5, 1.5, 2.0]))
    assert found == pytest.approx([2.0, 1.5])
