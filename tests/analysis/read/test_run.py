import json

import pytest
from pandas.testing import assert_frame_equal

from analysis.read.run import load_run
from loadtests.records.packing import pack
from loadtests.records.stored import RecordError
from loadtests.records.trials import Level

AT_100 = Level("open", rate_rps=100.0)


@pytest.fixture
def run(new_run, contender, make_rows):
    started = new_run(["one"], rates_rps=[100.0])
    started.add(contender("one", 0.002), make_rows([1.5], [1.5], [1.6]), AT_100)
    return started


def refusal(folder) -> str:
    with pytest.raises(RecordError) as caught:
        load_run(folder)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_a_whole_run_is_read(run):
    loaded = load_run(run.folder)
    assert [trial.record.contender_name for trial in loaded.measurements] == ["one"]
    assert len(loaded.trials[0].requests) == 1


def test_a_run_reads_the_same_once_it_is_packed(run):
    unpacked = load_run(run.folder)
    pack(run.folder)
    packed = load_run(run.folder)
    assert [trial.record for trial in packed.trials] == [trial.record for trial in unpacked.trials]
    for before, after in zip(unpacked.trials, packed.trials, strict=True):
        assert_frame_equal(before.requests, after.requests, rtol=0, atol=2**-20)
        assert_frame_equal(before.telemetry, after.telemetry, check_exact=True)


def test_a_folder_without_a_manifest_is_refused(tmp_path):
    assert "expected manifest.json" in refusal(tmp_path)


def test_a_manifest_that_lacks_a_field_is_refused_by_its_name(run):
    del run.manifest["experiment"]["slo"]
    run.save()
    assert "experiment.slo" in refusal(run.folder)


def test_another_schema_version_is_refused(run):
    run.manifest["schema_version"] = 99
    run.save()
    assert "schema version 99" in refusal(run.folder)


def test_a_run_without_trials_is_refused_with_the_command_that_makes_them(new_run):
    assert "study run synthetic.toml" in refusal(new_run(["one"]).folder)


def test_missing_requests_are_refused(run):
    (run.folder / "trials" / "one-100rps-1" / "requests.parquet").unlink()
    assert "requests.parquet is missing" in refusal(run.folder)


def test_requests_cut_short_are_refused(run):
    path = run.folder / "trials" / "one-100rps-1" / "requests.parquet"
    path.write_bytes(path.read_bytes()[:100])
    assert "requests.parquet cannot be read" in refusal(run.folder)


def test_a_trial_record_that_lacks_a_field_is_refused(run):
    path = run.folder / "trials" / "one-100rps-1" / "trial.json"
    record = json.loads(path.read_text())
    del record["level"]
    path.write_text(json.dumps(record))
    assert "level: Field required" in refusal(run.folder)


def test_an_unfinished_trial_is_left_out(run):
    trials = run.folder / "trials"
    (trials / "one-100rps-1").rename(trials / ".one-100rps-1")
    assert "found none" in refusal(run.folder)
