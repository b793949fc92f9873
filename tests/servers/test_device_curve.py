"""Curves of devices: read, refused in a sentence, interpolated, written and read back."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from servers.device_curve import (
    CurveError,
    CurvePoint,
    DeviceCurve,
    curve_named,
    curve_names,
    curve_toml,
    read_curve,
)

FILE = """\
device = "NVIDIA T4"
precision = "fp16"
software = "TensorRT 8.4.3"
model = "BERT-base"
source = "a table, https://example.org/table, read 2026-11-29"
measured = false
host_share = 0.25
host_share_source = "a guess"
unit = "ms"
points = [
    { length_tokens = 128, batch_size = 1, latency = 2.0 },
    { length_tokens = 128, batch_size = 2, latency = 3.0 },
    { length_tokens = 128, batch_size = 8, latency = 9.0 },
    { length_tokens = 384, batch_size = 1, latency = 4.0 },
    { length_tokens = 384, batch_size = 8, latency = 25.0 },
]
"""


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """A file of that curve, with one piece of its text in place of another."""

    def write(old: str = "", new: str = "") -> Path:
        assert old in FILE
        path = tmp_path / "t4.toml"
        path.write_text(FILE.replace(old, new, 1) if old else FILE, encoding="utf-8")
        return path

    return write


@pytest.fixture
def curve(written: Callable[..., Path]) -> DeviceCurve:
    return read_curve(written())


def test_a_given_point_is_what_the_file_says_to_the_last_digit(curve: DeviceCurve) -> None:
    assert (curve.name, curve.device, curve.measured) == ("t4", "NVIDIA T4", False)
    assert curve.pass_s(8, 384) == 0.025
    assert curve.is_given(8, 384)
    assert not curve.is_given(2, 384)


def test_between_batches_a_pass_costs_a_fixed_part_and_a_part_per_text(curve: DeviceCurve) -> None:
    assert curve.pass_s(5, 128) == pytest.approx(0.006)  # from 2 texts on: 1 ms and 1 ms a text


def test_beyond_the_largest_batch_the_last_part_per_text_goes_on(curve: DeviceCurve) -> None:
    assert curve.pass_s(64, 128) == pytest.approx(0.065)


def test_between_lengths_and_beyond_the_longest_a_pass_is_linear_in_the_length(
    curve: DeviceCurve,
) -> None:
    assert curve.pass_s(1, 256) == pytest.approx(0.003)
    assert curve.pass_s(1, 512) == pytest.approx(0.005)


def test_shorter_texts_cost_what_as_many_tokens_cost_in_the_shortest_given_length(
    curve: DeviceCurve,
) -> None:
    assert curve.pass_s(32, 32) == curve.pass_s(8, 128)
    assert curve.pass_s(1, 16) == pytest.approx(0.001 + 0.001 / 8)  # a fixed part stays


def test_a_curve_of_one_length_counts_tokens_for_longer_texts_too(curve: DeviceCurve) -> None:
    short = replace(curve, points=curve.points[:3])
    assert short.pass_s(4, 256) == short.pass_s(8, 128)


def test_no_pass_is_free_where_a_second_text_costs_more_than_the_first() -> None:
    steep = a_curve(CurvePoint(128, 1, 0.001), CurvePoint(128, 2, 0.004))
    assert steep.pass_s(1, 16) == pytest.approx(0.001 / 8)


def test_a_longer_batch_or_text_never_takes_less(curve: DeviceCurve) -> None:
    for length in (8, 16, 64, 128, 200, 384, 500):
        times = [curve.pass_s(size, length) for size in range(1, 65)]
        assert times == sorted(times)
    for size in (1, 3, 8, 32):
        times = [curve.pass_s(size, length) for length in range(8, 512, 8)]
        assert times == sorted(times)


def test_the_best_rate_is_that_of_the_best_batch_that_is_allowed(curve: DeviceCurve) -> None:
    assert curve.best_rate(128, 1) == pytest.approx(500)
    assert curve.best_rate(128, 8) == pytest.approx(8 / 0.009)


def test_the_host_has_its_share_of_a_pass_or_what_a_point_says(
    curve: DeviceCurve, written: Callable[..., Path]
) -> None:
    assert curve.host_s(5, 128) == pytest.approx(0.0015)
    said = read_curve(written("latency = 9.0 }", "latency = 9.0, host = 0.5 }"))
    assert said.host_s(8, 128) == 0.0005
    assert said.host_s(2, 128) == pytest.approx(0.00075)


def test_the_host_never_has_more_than_the_pass() -> None:
    launches = a_curve(CurvePoint(128, 1, 0.004, 0.004), CurvePoint(128, 8, 0.004, 0.004))
    assert launches.host_s(1, 16) == launches.pass_s(1, 16) == pytest.approx(0.004)


def test_the_label_says_simulated_and_names_card_precision_and_source(curve: DeviceCurve) -> None:
    assert curve.label == "simulated device: NVIDIA T4, fp16, TensorRT 8.4.3 (a table)"


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_a_latency_is_in_the_unit_that_the_file_names(
    written: Callable[..., Path], unit: str
) -> None:
    curve = read_curve(written('unit = "ms"', f'unit = "{unit}"'))
    assert curve.pass_s(1, 128) == {"s": 2.0, "ms": 0.002, "us": 0.000002}[unit]


def a_curve(*points: CurvePoint, **changes: object) -> DeviceCurve:
    fields: dict[str, object] = {
        "device": 'a "card"',
        "precision": "fp32",
        "software": "onnxruntime 1.31.1",
        "model": "small",
        "source": "measured here, with a command, 2026-11-29",
        "measured": True,
        "host_share": 1.0,
        "host_share_source": "the host is the device",
    }
    return DeviceCurve("mine", points=points, **(fields | changes))  # type: ignore[arg-type]


def test_a_curve_that_was_written_reads_back_as_the_same(tmp_path: Path) -> None:
    curve = a_curve(
        CurvePoint(16, 1, 0.0034123, 0.0001),
        CurvePoint(16, 64, 0.12),
        CurvePoint(128, 1, 1e-7),
        CurvePoint(128, 2, 3.0),
    )
    path = tmp_path / "mine.toml"
    path.write_text(curve_toml(curve), encoding="utf-8")
    assert read_curve(path) == curve


def test_points_are_put_in_order() -> None:
    points = [CurvePoint(128, 8, 0.3), CurvePoint(128, 1, 0.1)]
    assert a_curve(*points).points == tuple(reversed(points))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('device = "NVIDIA T4"\n', "", "expected device in the curve {}, found none: add it."),
        (
            'source = "a table, https://example.org/table, read 2026-11-29"\n',
            "",
            "expected source in the curve {}, found none: add it.",
        ),
        (
            '"a guess"',
            '" "',
            "expected host_share_source in the curve {}, found a blank: fill it in.",
        ),
        (
            "batch_size = 1, latency = 2.0",
            "latency = 2.0",
            "expected points.0.batch_size in the curve {}, found none: add it.",
        ),
        (
            'unit = "ms"',
            'unit = "minutes"',
            "expected another unit in the curve {}, found 'minutes' (input should be 's', 'ms' or "
            "'us'): correct it.",
        ),
        (
            'unit = "ms"',
            'unit = "ms"\ncard = "T4"',
            "expected only what a curve has in {}, found card: remove it, or correct its name.",
        ),
        (
            "batch_size = 1, latency = 2.0",
            "batch_size = 1, latncy = 2.0, latency = 2.0",
            "expected only what a curve has in {}, found points.0.latncy: remove it, or correct "
            "its name.",
        ),
        (
            "latency = 2.0",
            'latency = "2.0"',
            "expected another points.0.latency in the curve {}, found '2.0' (input should be a "
            "valid number): correct it.",
        ),
        (
            "latency = 2.0",
            "latency = -2.0",
            "expected another points.0.latency in the curve {}, found -2.0 (input should be "
            "greater than 0): correct it.",
        ),
        (
            "host_share = 0.25",
            "host_share = 25",
            "expected another host_share in the curve {}, found 25 (input should be less than or "
            "equal to 1): correct it.",
        ),
    ],
)
def test_what_is_no_curve_is_refused_in_one_sentence(
    written: Callable[..., Path], old: str, new: str, sentence: str
) -> None:
    path = written(old, new)
    with pytest.raises(CurveError) as refused:
        read_curve(path)
    assert str(refused.value) == sentence.format(path)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "latency = 9.0",
            "latency = 2.5",
            "the curve t4: expected a latency that does not fall as the batch grows, found 2.5 ms "
            "at batch 8 of 128 tokens after 3 ms at batch 2: correct one of them.",
        ),
        (
            "batch_size = 2, latency = 3.0",
            "batch_size = 8, latency = 9.0",
            "the curve t4: expected each point once, found batch 8 of 128 tokens twice: remove "
            "one.",
        ),
        (
            "    { length_tokens = 384, batch_size = 8, latency = 25.0 },\n",
            "",
            "the curve t4: expected at least two batch sizes at 384 tokens, found 1: add another, "
            "or remove this length.",
        ),
        (
            "latency = 2.0 }",
            "latency = 2.0, host = 2.5 }",
            "the curve t4: expected host time within the latency at batch 1 of 128 tokens, found "
            "2.5 ms of 2 ms: correct one of them.",
        ),
    ],
)
def test_points_that_contradict_each_other_are_refused_in_one_sentence(
    written: Callable[..., Path], old: str, new: str, sentence: str
) -> None:
    path = written(old, new)
    with pytest.raises(CurveError) as refused:
        read_curve(path)
    assert str(refused.value) == sentence


def test_a_curve_without_points_or_without_a_source_is_none() -> None:
    with pytest.raises(CurveError, match="the curve mine: expected points, found none"):
        a_curve()
    with pytest.raises(CurveError, match="the curve mine: expected a source, found none"):
        a_curve(CurvePoint(16, 1, 0.1), CurvePoint(16, 2, 0.1), source=" ")


def test_what_is_no_toml_and_what_is_not_there_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    with pytest.raises(CurveError, match=r"could not read it \(No such file"):
        read_curve(path)
    path.write_text("device = ", encoding="utf-8")
    with pytest.raises(CurveError, match="expected TOML in .*broken.toml, found none"):
        read_curve(path)


def test_a_curve_is_found_by_its_name_or_its_path(written: Callable[..., Path]) -> None:
    assert curve_named(str(written())).name == "t4"
    with pytest.raises(CurveError, match="expected a curve .* found 'a101': correct it."):
        curve_named("a101")


@pytest.mark.parametrize("name", curve_names())
def test_each_curve_of_the_study_names_an_address_or_a_machine_for_its_numbers(name: str) -> None:
    curve = curve_named(name)
    assert curve.name == name
    assert ("https://" in curve.source) is not curve.measured
    assert curve.pass_s(1, 16) > 0
    assert 0 <= curve.host_s(32, 64) <= curve.pass_s(32, 64)
