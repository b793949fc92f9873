"""The page of three devices, and the verdicts on the rules of thumb."""

from pathlib import Path

import pytest

from analysis.predict.by_device import Crossing, DeviceChoice, DeviceStudy, Replica, Varied
from analysis.report.devices_page import FILE, SECTION, page, read, short_table, write
from analysis.report.words import devices as words
from loadtests.records.experiment import Slo
from loadtests.records.markdown import with_section

ROOT = Path(__file__).parents[3]


def replica(name, capacity_rps, p50_ms=5.0, share=0.2):
    return Replica(
        contender=name,
        capacity_rps=capacity_rps,
        light_p50_ms=p50_ms,
        device_busy=0.9,
        device_share_of_best=share,
    )


def study(**changes):
    usual = {
        "device": "simulated device: a card",
        "simulated": True,
        "cores": 8,
        "slo": Slo(),
        "choices": [
            DeviceChoice(
                rate_rps=50,
                contender="fastapi",
                also=["triton"],
                replicas=1,
                latency_ms=8.14,
                device_busy=0.2,
                device_share_of_best=0.05,
            ),
            DeviceChoice(rate_rps=5000, contender="triton", replicas=2, measured=True),
            DeviceChoice(rate_rps=9000),
        ],
        "crossing": Crossing(other="triton", rate_rps=110, low_rps=88, high_rps=130),
        "alone": replica("fastapi", 100.0),
        "batched": replica("triton", 800.0, 5.9, 0.7),
        "delays": [Varied(value=v, capacity_rps=c, p50_ms=5) for v, c in ((0, 800), (5, 900))],
        "instances": [Varied(value=v, capacity_rps=c, p50_ms=5) for v, c in ((1, 800), (2, 1500))],
    }
    return DeviceStudy(**{**usual, **changes})


def test_a_choice_says_how_many_how_fast_how_busy_and_whether_it_was_measured():
    first, second, third = (words.choice(each, 99) for each in study().choices)
    busy = "busy 20.0\N{NO-BREAK SPACE}%, 5.00\N{NO-BREAK SPACE}% of its best"
    assert first == f"`fastapi`, P99 8.14 ms, {busy} (predicted)"
    assert second == "2 × `triton` (measured)"
    assert third == "nobody meets the SLO"


@pytest.mark.parametrize(
    ("rule", "changes", "verdict"),
    [
        (words.below_100, {}, "holds"),
        (words.below_100, {"crossing": None}, "does not hold"),
        (
            words.below_100,
            {"crossing": Crossing(other="triton", rate_rps=400, low_rps=350, high_rps=None)},
            "does not hold",
        ),
        (
            words.below_100,
            {"crossing": Crossing(other="triton", rate_rps=None, low_rps=None, high_rps=None)},
            "does not hold",
        ),
        (words.many_times, {}, "holds"),
        (words.many_times, {"batched": replica("triton", 400.0)}, "does not hold"),
        (words.many_times, {"batched": replica("triton", 2500.0)}, "holds, and more"),
        (words.many_times, {"alone": replica("fastapi", None)}, "not testable"),
        (words.single_request, {}, "holds"),
        (words.single_request, {"batched": replica("triton", 800.0, 6.1)}, "does not hold"),
        (words.queue_delay, {}, "holds"),
        (words.queue_delay, {"delays": study().delays[:1]}, "does not hold"),
        (words.utilisation, {}, "holds"),
        (words.utilisation, {"alone": replica("fastapi", 100.0, share=0.5)}, "does not hold"),
        (words.utilisation, {"alone": replica("fastapi", 100.0, share=None)}, "not testable"),
        (words.instances, {}, "holds"),
        (
            words.instances,
            {"instances": [study().instances[0], Varied(value=2, capacity_rps=900, p50_ms=5)]},
            "does not hold",
        ),
    ],
)
def test_each_rule_can_hold_and_can_fail(rule, changes, verdict):
    assert rule(study(**changes))[0] == verdict


def test_the_figures_are_read_back_as_they_were_written(tmp_path):
    write([study()], tmp_path / "new" / "devices.json")
    assert read(tmp_path / "new" / "devices.json") == [study()]


@pytest.mark.parametrize(
    ("name", "written"), [("README.md", short_table), ("docs/devices.md", page)]
)
def test_the_committed_tables_are_those_of_the_committed_figures(name, written):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert with_section(text, SECTION, written(read())) == text


def test_a_simulated_device_is_called_so_wherever_it_stands():
    for each in read(FILE):
        assert each.simulated == words.device(each).startswith("simulated device")
