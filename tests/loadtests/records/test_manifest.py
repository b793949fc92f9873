"""manifest.json as it is read: whole, safe, and with nothing assumed that decides a verdict."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loadtests.records.arrivals import Trace
from loadtests.records.manifest import Manifest, read_manifest
from loadtests.records.stored import RecordError
from loadtests.records.trials import write_json

Read = Callable[[Callable[[dict[str, Any]], object]], Manifest]


@pytest.fixture
def read(root: Path, tmp_path: Path) -> Read:
    """Reads a manifest of this version after a change to it."""
    stored = root / "results/reference-cpu-2core/manifest.json"

    def changed(change: Callable[[dict[str, Any]], object]) -> Manifest:
        manifest = json.loads(stored.read_text(encoding="utf-8"))
        change(manifest)
        write_json(tmp_path / "manifest.json", manifest)
        return read_manifest(tmp_path)

    return changed


@pytest.mark.parametrize(
    "place",
    ["slo", "calibration", "min_difference", "seed", "slo.latency_ms", "load.arrivals"],
)
def test_a_value_that_judges_the_run_is_not_assumed(read: Read, place: str) -> None:
    *tables, last = place.split(".")

    def remove(manifest: dict[str, Any]) -> None:
        table = manifest["experiment"]
        for name in tables:
            table = table[name]
        del table[last]

    with pytest.raises(RecordError, match=f"experiment.{place}: Field required; it is damaged"):
        read(remove)


@pytest.mark.parametrize("field", ["more_slos", "aa_test", "price"])
def test_what_an_earlier_run_could_not_have_is_none(read: Read, field: str) -> None:
    found = read(lambda manifest: manifest["experiment"].pop(field))
    assert not getattr(found.experiment, field)


def test_fields_of_a_later_version_are_left_aside(read: Read) -> None:
    def add(manifest: dict[str, Any]) -> None:
        manifest["later"] = manifest["experiment"]["later"] = 1
        manifest["experiment"]["slo"]["later"] = manifest["experiment"]["load"]["later"] = 1

    assert read(add) == read(lambda manifest: None)


def test_arrivals_of_an_unknown_kind_are_refused(read: Read) -> None:
    with pytest.raises(RecordError, match=r"experiment\.load\.arrivals: Input tag 'bursts' found"):
        read(lambda manifest: manifest["experiment"]["load"].update(arrivals={"kind": "bursts"}))


def test_what_stands_in_a_damaged_file_is_quoted_on_one_line_and_shortened(read: Read) -> None:
    arrivals = {"kind": "<b>\n# x" + "y" * 5000}
    with pytest.raises(RecordError) as refused:
        read(lambda manifest: manifest["experiment"]["load"].update(arrivals=arrivals))
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 600


def test_a_file_that_a_manifest_names_is_not_opened(read: Read) -> None:
    arrivals = {"kind": "trace", "file": "/nowhere/trace.csv", "scaled": False}
    found = read(lambda manifest: manifest["experiment"]["load"].update(arrivals=arrivals))
    assert isinstance(found.experiment.load.arrivals, Trace)
    assert found.experiment.load.arrivals.gap_cv is None


def test_a_file_in_place_of_the_folder_of_a_run_is_no_damaged_run(tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    report.touch()
    with pytest.raises(RecordError, match="found none: give the folder of a run, as printed by"):
        read_manifest(report)
