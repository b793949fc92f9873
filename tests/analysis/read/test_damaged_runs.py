"""A results folder may be damaged, or somebody else's: it is analysed, or refused in a sentence."""

import json
import random
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer

from analysis.derive import derive
from analysis.read.run import load_run
from analysis.report.render import render_decision
from analysis.report.summary import Summary, summarise
from commands.errors import exits_with_a_sentence
from loadtests.records.packing import pack
from loadtests.records.run_trials import TRIALS_FILE
from loadtests.records.stored import SCHEMA_VERSION, RecordError
from loadtests.records.trials import Level, read_trial, write_json, write_trial

from ..damage import COLUMN_CHANGES, FIELD_VALUES, FILE_DAMAGES, column_damages, field_damages
from ..synthetic import SyntheticContender, SyntheticRun, open_loop_rows
from ..synthetic_gpu import engine_record

SEED = 20261129
MANIFEST, ENGINES = "manifest.json", "engines.json"
TRIAL = "trials/one-50rps-1/trial.json"
TABLES = ["trials/one-50rps-1/requests.parquet", "trials/one-50rps-1/telemetry.parquet"]
PACKED_TABLES = ["requests.parquet", "telemetry.parquet"]
WITHIN_S = 60
SAMPLED = 2


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with some of everything that a folder may hold."""
    one = SyntheticContender("one", 0.002, engine="torch", options={"device": "cpu"})
    run = SyntheticRun(
        tmp_path_factory.mktemp("runs") / "whole",
        ["one", "two"],
        rates_rps=[50.0],
        steady_s=2.0,
        aa_test="one",
        more_slos=[{"percentile": 95, "latency_ms": 30, "max_error_ratio": 0.001}],
        groups=[["one", "two"]],
    )
    price = {"server_per_hour": 1.0, "currency": "USD", "source": "a list"}
    run.manifest["experiment"]["price"] = price
    run.manifest["machine"]["gpu"] = {"name": "none", "driver": "1", "refused": {}}
    run.save()
    run.calibrate("null-http", "http-json", 400)
    run.simulate([one, SyntheticContender("two", 0.001, fails="exited")])
    run.simulate([replace(one, name="one-again")], purpose="noise")
    rows, level = open_loop_rows(one, 71.0, 2.0, 1), Level("open", rate_rps=71.0)
    run.add(one, rows, level, 0, purpose="search", run_id="whole", order=7, started_at="2026")
    engines = [engine_record("torch", "fp32", ["one"], 0.5)]
    write_json(run.folder / ENGINES, {"schema_version": SCHEMA_VERSION, "engines": engines})
    analysed(run.folder)
    return run.folder


def analysed(folder: Path) -> Summary:
    summary = summarise(load_run(folder))
    render_decision(summary)
    summary.model_dump_json()
    return summary


def is_analysed_or_refused(folder: Path) -> bool:
    """Whether it was refused; fails where the refusal is no sentence that names a file."""
    try:
        with _ended_after(WITHIN_S):
            analysed(folder)
    except RecordError as refused:
        sentence = str(refused)
        assert "\n" not in sentence
        assert len(sentence) < 600
        assert str(folder) in sentence
        return True
    return False


@contextmanager
def _ended_after(seconds: int) -> Iterator[None]:
    def end(number: int, frame: object) -> None:
        raise AssertionError(f"still reading after {seconds} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "whole"))


@pytest.fixture(scope="module")
def packed_whole(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(shutil.copytree(whole, tmp_path_factory.mktemp("packed") / "whole"))
    pack(folder)
    return folder


@pytest.fixture
def packed(packed_whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(packed_whole, tmp_path / "packed"))


@pytest.mark.parametrize("kind", FILE_DAMAGES)
@pytest.mark.parametrize("name", [MANIFEST, ENGINES, TRIAL, *TABLES])
def test_a_damaged_file_is_refused(name: str, kind: str, copy: Path) -> None:
    FILE_DAMAGES[kind](copy / name)
    left_out = (name, kind) in [(ENGINES, "removed"), (TRIAL, "removed")]
    assert is_analysed_or_refused(copy) is not left_out


@pytest.mark.parametrize("kind", ["removed", *FIELD_VALUES])
@pytest.mark.parametrize("name", [MANIFEST, ENGINES, TRIAL])
def test_a_field_of_another_kind_or_size_ends_in_no_traceback(
    name: str, kind: str, copy: Path
) -> None:
    content = (copy / name).read_bytes()
    damages = field_damages(json.loads(content), kind)
    for damage in random.Random(SEED).sample(damages, SAMPLED):
        damage(copy / name)
        is_analysed_or_refused(copy)
        (copy / name).write_bytes(content)


@pytest.mark.parametrize("kind", COLUMN_CHANGES)
@pytest.mark.parametrize("name", TABLES)
def test_a_column_of_another_kind_or_range_ends_in_no_traceback(
    name: str, kind: str, copy: Path
) -> None:
    content = (copy / name).read_bytes()
    damages = column_damages(pq.read_schema(copy / name).names, kind)
    for damage in random.Random(SEED).sample(damages, SAMPLED):
        damage(copy / name)
        is_analysed_or_refused(copy)
        (copy / name).write_bytes(content)


@pytest.mark.parametrize("kind", FILE_DAMAGES)
@pytest.mark.parametrize("name", [TRIALS_FILE, *PACKED_TABLES])
def test_a_damaged_packed_file_is_refused(name: str, kind: str, packed: Path) -> None:
    FILE_DAMAGES[kind](packed / name)
    assert is_analysed_or_refused(packed)


@pytest.mark.parametrize("kind", COLUMN_CHANGES)
@pytest.mark.parametrize("name", PACKED_TABLES)
def test_a_column_of_a_packed_table_that_is_changed_ends_in_no_traceback(
    name: str, kind: str, packed: Path
) -> None:
    damages = column_damages(pq.read_schema(packed / name).names, kind)
    random.Random(f"{name} {kind}").choice(damages)(packed / name)
    is_analysed_or_refused(packed)


def test_a_line_that_is_no_trial_is_named_by_its_number(packed: Path) -> None:
    path = packed / TRIALS_FILE
    first, second, *others = path.read_text().splitlines()
    path.write_text("\n".join([first, second.replace('"level"', '"levels"'), *others]) + "\n")
    with pytest.raises(RecordError, match=r"trials.jsonl, line 2: level: Field required; it is"):
        load_run(packed)


def test_two_lines_of_one_trial_are_refused(packed: Path) -> None:
    path = packed / TRIALS_FILE
    first, *others = path.read_text().splitlines()
    path.write_text("\n".join([first, first, *others]) + "\n")
    said = "line 2 is the same trial as calibration-null-http-c16-1: a trial counts once"
    with pytest.raises(RecordError, match=said):
        load_run(packed)


def test_a_trial_whose_rows_a_packed_table_lacks_is_refused(packed: Path) -> None:
    path = packed / TRIALS_FILE
    path.write_text(path.read_text().replace("one-50rps-1", "one-50rps-9"))
    with pytest.raises(RecordError, match="requests.parquet has no rows of the trial"):
        load_run(packed)


def test_rows_of_another_trial_in_a_row_group_are_refused(packed: Path) -> None:
    (damage,) = column_damages(["trial_id"], "all text")
    damage(packed / "requests.parquet")
    with pytest.raises(RecordError, match="requests.parquet has rows of x among those of the"):
        load_run(packed)


@pytest.mark.parametrize("noted", [None, b"[", b"{}", b'["one-50rps-1"]', b"[" * 100_000])
def test_a_packed_table_that_does_not_say_whose_rows_it_holds_is_refused(
    noted: bytes | None, packed: Path
) -> None:
    path = packed / "requests.parquet"
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata(noted and {"trial_id": noted}), path)
    if noted == b'["one-50rps-1"]':  # one row group of all trials
        problem = "has no rows of the trial|has rows of .* among those of"
    else:
        problem = "does not name the trial of each of its row groups: it is damaged"
    with pytest.raises(RecordError, match=problem):
        load_run(packed)


def test_packed_rows_that_contradict_their_trial_are_refused_by_its_name(packed: Path) -> None:
    (damage,) = column_damages(["done_s"], "one null")
    damage(packed / "requests.parquet")
    said = "requests.parquet has a success without the times .*, in the trial .*: it is damaged"
    with pytest.raises(RecordError, match=said):
        load_run(packed)


def test_an_index_beyond_every_schedule_takes_no_memory(copy: Path) -> None:
    (damage,) = column_damages(["request_index"], "all a large index")
    damage(copy / TABLES[0])
    assert is_analysed_or_refused(copy)


def test_twenty_copies_of_a_trial_are_refused(copy: Path) -> None:
    trial = (copy / TRIAL).parent
    for k in range(20):
        shutil.copytree(trial, trial.with_name(f"one-50rps-{k + 2}"))
    with pytest.raises(RecordError, match="found in the folder of another one.*remove the copy"):
        load_run(copy)


@pytest.mark.parametrize("name", ["one-50rps-1", "search-one-71rps-0"])
def test_a_copy_under_a_name_of_its_own_is_refused(name: str, copy: Path) -> None:
    folder = copy / "trials" / name
    copied = Path(shutil.copytree(folder, folder.with_name(f"z-{name}")))
    write_trial(copied, replace(read_trial(copied), trial_id=copied.name))
    with pytest.raises(RecordError, match=f"is the same trial as {name}: a trial counts once"):
        load_run(copy)


def test_a_trial_of_another_run_is_refused(copy: Path) -> None:
    folder = copy / "trials/search-one-71rps-0"
    write_trial(folder, replace(read_trial(folder), run_id="elsewhere"))
    with pytest.raises(RecordError, match="is a trial of the run elsewhere, found in whole"):
        load_run(copy)


def test_a_completed_trial_without_phases_is_refused(copy: Path) -> None:
    folder = (copy / TRIAL).parent
    write_trial(folder, replace(read_trial(folder), phases=None))
    with pytest.raises(RecordError, match="is completed but names no phases"):
        load_run(copy)


def test_the_decision_shows_what_others_named_as_text(copy: Path) -> None:
    folder = copy / "trials/search-one-71rps-0"  # the last one says what its contender is
    trial = read_trial(folder)
    summary = "<img src=x onerror=alert(1)> | [click](http://there)"
    write_trial(folder, replace(trial, contender={**trial.contender, "summary": summary}))
    manifest = json.loads((copy / MANIFEST).read_text())
    manifest["model"]["name"] = "<b>`base`</b>"
    manifest["command"] = "study run\n```\n<script>alert(1)</script>"
    write_json(copy / MANIFEST, manifest)
    decision = render_decision(summarise(load_run(copy)))
    assert r"&lt;img src=x onerror=alert(1)&gt; \| \[click\](http://there)" in decision
    assert r"&lt;b&gt;\`base\`&lt;/b&gt;" in decision
    assert (
        "````\nstudy run\n```\n<script>alert(1)</script>\nstudy agree THIS_RUN NEW_RUN\n````"
        in decision
    )


@pytest.mark.parametrize("name", ["summary.json", "decision.md"])
def test_a_folder_in_the_place_of_a_report_is_one_sentence(
    name: str, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / name).mkdir()
    with pytest.raises(typer.Exit):
        exits_with_a_sentence(derive)(copy)
    assert f"expected to write to {copy / name}, found: Is a directory" in capsys.readouterr().err
