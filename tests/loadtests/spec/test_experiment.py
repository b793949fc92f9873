"""Experiment files: what is accepted, and the one sentence for what is not."""

import os
from pathlib import Path

import pytest

from loadtests.records.arrivals import Trace
from loadtests.records.overload import OverloadSpec
from loadtests.records.trials import Level
from loadtests.spec.contenders import resolve_contenders
from loadtests.spec.file import SpecError, read_experiment, stored_experiment

GOOD = """
name = "tiny"
contenders = ["fastapi", "null-http"]
[load]
rates_rps = [10, 20]
"""


@pytest.fixture
def experiment_file(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "experiment.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def problem(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        read_experiment(path)
    return str(caught.value)


def test_a_good_file_is_read_with_its_defaults(experiment_file) -> None:
    experiment = read_experiment(experiment_file(GOOD))
    assert experiment.load.levels() == (Level("open", rate_rps=10), Level("open", rate_rps=20))
    assert experiment.slo.percentile == 99
    assert experiment.reference == "fastapi"


@pytest.mark.parametrize("name", ["default", "smoke", "capacity", "overload"])
def test_the_experiments_that_come_with_the_study_are_valid(root: Path, name: str) -> None:
    experiment = read_experiment(root / "loadtests" / "experiments" / f"{name}.toml")
    assert experiment.name == name


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("rates_rps = [10, 20]\nratesrps = [1]", "load.ratesrps is not a setting"),
        ("rates_rps = [10, 20]\nwarmup = 1", "did you mean 'warmup_s'?"),
        (
            "rates_rps = [0]",
            "load.rates_rps.0: input should be greater than or equal to 0.01 (found 0)",
        ),
        ("rates_rps = []", "expected at least one entry in load.rates_rps or load.concurrency"),
        ('rates_rps = "x"', "load.rates_rps: input should be a list, in brackets (found 'x')"),
        ('rates_rps = ["fast"]', "load.rates_rps.0: input should be a valid number"),
        ("concurrency = [-1]", "load.concurrency.0: input should be greater than 0 (found -1)"),
    ],
)
def test_a_bad_load_section_is_named_with_what_was_found(
    experiment_file, change: str, expected: str
) -> None:
    message = problem(experiment_file(GOOD.replace("rates_rps = [10, 20]", change)))
    assert expected in message
    assert "experiment.toml" in message


def test_an_overload_table_asks_for_load_beyond_capacity(experiment_file) -> None:
    assert read_experiment(experiment_file(GOOD)).overload is None
    found = read_experiment(experiment_file(GOOD + "[overload]\nfactors = [1.0, 3.0]\n"))
    assert found.overload == OverloadSpec(factors=(1, 3), overload_s=3, recover_s=4)
    # Said of a service of somebody else before any load goes there.
    assert found.load_in_words.endswith("up to 3 times the capacity found")


def test_a_bad_overload_table_is_named_with_what_was_found(experiment_file) -> None:
    message = problem(experiment_file(GOOD + "[overload]\nfactors = [2.0, 1.0]\n"))
    assert "overload.factors: expected factors in ascending order, found 2, 1" in message


def test_an_engines_table_asks_for_measuring_the_engines_alone(experiment_file) -> None:
    assert read_experiment(experiment_file(GOOD)).engines is None
    found = read_experiment(experiment_file(GOOD + "[engines]\nbatch_sizes = [1, 8]\n")).engines
    assert found is not None
    assert (found.lengths_tokens, found.batch_sizes) == ((16, 32, 64, 128), (1, 8))


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("lengths_tokens = [256]", "engines.lengths_tokens.0: input should be less than or equal"),
        ("batch_sizes = [0]", "engines.batch_sizes.0: input should be greater than or equal to 1"),
        ("batches = [1]", "engines.batches is not a setting of an experiment; did you mean"),
    ],
)
def test_a_bad_engines_table_is_named_with_what_was_found(
    experiment_file, setting: str, expected: str
) -> None:
    assert expected in problem(experiment_file(f"{GOOD}[engines]\n{setting}\n"))


def test_a_value_of_any_length_is_quoted_by_its_beginning(experiment_file) -> None:
    message = problem(experiment_file(f"seed = {list(range(999))}\n{GOOD}"))
    assert "seed: input should be a valid integer (found [0, 1, 2, " in message
    assert len(message) < 300


def test_a_negative_number_of_rounds_is_refused(experiment_file) -> None:
    message = problem(experiment_file("rounds = -1\n" + GOOD))
    assert "rounds: input should be greater than 0 (found -1)" in message


def test_an_unknown_contender_is_refused_with_the_nearest_name(experiment_file) -> None:
    message = problem(experiment_file(GOOD.replace('"fastapi",', '"fastapii",')))
    assert "'fastapii', which does not exist; did you mean 'fastapi'?" in message


def test_a_reference_outside_the_contenders_is_refused(experiment_file) -> None:
    message = problem(experiment_file('reference = "triton"\n' + GOOD))
    assert "expected one of the experiment's contenders (fastapi, null-http)" in message


def test_a_missing_section_is_named(experiment_file) -> None:
    assert "load is missing" in problem(experiment_file(GOOD.split("[load]")[0]))


def test_a_file_that_is_not_toml_is_refused(experiment_file) -> None:
    assert "is not a TOML file" in problem(experiment_file("name = "))


def test_a_file_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    assert "cannot read the experiment" in problem(tmp_path / "none.toml")


def test_a_variant_is_its_base_with_other_options(experiment_file) -> None:
    text = GOOD.replace('"null-http"', '"triton-late"') + (
        '[[variants]]\nname = "triton-late"\nbase = "triton"\n'
        "options = { max_queue_delay_us = 5000 }\n"
    )
    contenders = resolve_contenders(read_experiment(experiment_file(text)))
    assert contenders["triton-late"].options["max_queue_delay_us"] == 5000
    assert contenders["triton-late"].server == "triton_service"


def test_a_variant_with_an_option_its_base_lacks_is_refused(experiment_file) -> None:
    text = GOOD + '[[variants]]\nname = "v"\nbase = "triton"\noptions = { speed = 9 }\n'
    assert "'speed', which 'triton' does not have" in problem(experiment_file(text))


CAPACITY = GOOD.replace("[load]\nrates_rps = [10, 20]\n", "[load]\n[capacity]\n")


def test_an_experiment_with_a_capacity_search_needs_no_common_levels(experiment_file) -> None:
    experiment = read_experiment(experiment_file(CAPACITY))
    assert experiment.load.levels() == ()
    assert experiment.capacity is not None


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("start_rps = 4000\nmax_rps = 100", "capacity: expected start_rps between min_rps and"),
        ("resolution = 1", "capacity.resolution: input should be greater than or equal to 1.02"),
        ("budget_s = 3", "capacity.budget_s is not a setting of an experiment;"),
    ],
)
def test_a_bad_capacity_section_is_named(experiment_file, setting: str, expected: str) -> None:
    assert expected in problem(experiment_file(CAPACITY + setting))


def test_several_slos_are_read_the_main_one_first(experiment_file) -> None:
    text = GOOD + "[[more_slos]]\npercentile = 99.9\nlatency_ms = 50\n"
    experiment = read_experiment(experiment_file(text))
    assert [(slo.percentile, slo.latency_ms) for slo in experiment.slos] == [(99, 100), (99.9, 50)]


def test_a_percentile_that_is_not_reported_is_refused(experiment_file) -> None:
    message = problem(experiment_file(GOOD + "[slo]\npercentile = 98\n"))
    assert "slo.percentile: expected one of 50, 90, 95, 99, 99.9 (found 98)" in message


def test_a_noise_floor_outside_the_contenders_is_refused(experiment_file) -> None:
    message = problem(experiment_file('aa_test = "triton"\n' + GOOD))
    assert "aa_test = 'triton': expected one of the experiment's contenders" in message


@pytest.mark.parametrize(
    ("arrivals", "expected"),
    [
        ('kind = "bursty"', "load.arrivals: input tag 'bursty' found using 'kind' does not match"),
        ('kind = "gamma"\ncvv = 2', "load.arrivals.gamma.cv is missing"),
        ('kind = "gamma"\ncv = 2\ncvs = 2', "did you mean 'cv'?"),
        ('kind = "trace"\nfile = "none.csv"', "cannot read the trace"),
        ('kind = "trace"\nfile = "trace.csv"', "expected only 2 in rates_rps, the mean rate of"),
    ],
)
def test_bad_arrivals_are_named_with_what_was_found(
    experiment_file, tmp_path: Path, arrivals: str, expected: str
) -> None:
    (tmp_path / "trace.csv").write_text("0\n0.2\n1.0\n", encoding="utf-8")
    assert expected in problem(experiment_file(GOOD + f"[load.arrivals]\n{arrivals}\n"))


def test_a_trace_lies_beside_its_experiment_and_is_found_again_on_resume(
    experiment_file, tmp_path: Path
) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("0\n0.2\n1.0\n", encoding="utf-8")
    text = GOOD + '[load.arrivals]\nkind = "trace"\nfile = "trace.csv"\nscaled = true\n'
    experiment = read_experiment(experiment_file(text))
    assert experiment.load.arrivals == Trace(kind="trace", file=str(trace), scaled=True)
    stored = experiment.model_dump(mode="json")
    assert stored_experiment(stored, tmp_path) == experiment
    trace.unlink()
    with pytest.raises(SpecError, match="cannot read the trace"):
        stored_experiment(stored, tmp_path)


def test_a_trace_replayed_as_it_is_cannot_be_searched_for_capacity(
    experiment_file, tmp_path: Path
) -> None:
    (tmp_path / "trace.csv").write_text("0\n0.2\n1.0\n", encoding="utf-8")
    text = CAPACITY.replace("[load]", '[load]\narrivals = { kind = "trace", file = "trace.csv" }\n')
    assert "whose rate the capacity search can change" in problem(experiment_file(text))


@pytest.mark.parametrize(
    ("line", "where"),
    [
        *[(f"steady_s = {value}", "steady_s") for value in ("inf", "nan", "1e12", "true")],
        *[(f"warmup_s = {value}", "warmup_s") for value in ("inf", "nan", "1e12", "-1")],
        *[(f"request_timeout_s = {value}", "request_timeout_s") for value in ("inf", "0", "true")],
        *[(f"workers = {value}", "workers") for value in ("true", "10000000000")],
        ("concurrency = [true]", "concurrency"),
    ],
)
def test_a_length_or_count_without_a_sensible_bound_is_refused_by_name(
    line: str, where: str, experiment_file
) -> None:
    sentence = problem(experiment_file(GOOD + line))
    assert f"load.{where}" in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ("[slo]\npercentile = true", "slo.percentile"),
        ("[engines]\nbatch_sizes = [true]", "engines.batch_sizes"),
        ("[engines]\nlengths_tokens = [true]", "engines.lengths_tokens"),
    ],
)
def test_true_is_no_number_in_any_table(table: str, where: str, experiment_file) -> None:
    sentence = problem(experiment_file(GOOD + table))
    assert where in sentence
    assert "expected a number, found true" in sentence


@pytest.mark.parametrize("rate", ["1e-300", "0.0001", "true", "inf", "nan", "-5"])
def test_a_rate_at_which_nothing_can_be_measured_is_refused(rate: str, experiment_file) -> None:
    sentence = problem(experiment_file(GOOD.replace("[10, 20]", f"[{rate}]")))
    assert "load.rates_rps" in sentence


@pytest.mark.parametrize("rates", ["10, 10", "33.33333, 33.333333"])
def test_rates_that_give_trials_the_same_name_are_refused(rates: str, experiment_file) -> None:
    assert "each load level once" in problem(experiment_file(GOOD.replace("10, 20", rates)))


@pytest.mark.parametrize("field", ["model", "texts"])
def test_a_path_with_a_null_character_is_refused(field: str, experiment_file) -> None:
    content = GOOD.replace("[load]", f'{field} = "a\\u0000b"\n[load]')
    assert problem(experiment_file(content)).startswith(f"{experiment_file(content)}: {field}")


@pytest.mark.parametrize(
    "bomb",
    ["x = " + "[" * 5000 + "]" * 5000, "seed = " + "9" * 10_000],
    ids=["nested", "ten thousand digits"],
)
def test_a_file_made_to_break_the_parser_is_refused_in_one_sentence(
    bomb: str, experiment_file
) -> None:
    sentence = problem(experiment_file(bomb))
    assert "experiment.toml is not " in sentence
    assert len(sentence) < 500


def test_what_is_no_regular_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    for path in (Path("/dev/zero"), tmp_path, tmp_path / "pipe.toml"):
        assert problem(path) == (
            f"cannot read the experiment {path} (it is no regular file): "
            "`study list` names the experiments that come with the study."
        )


def test_a_name_that_no_file_can_have_is_refused_in_one_sentence() -> None:
    assert "File name too long" in problem(Path("a" * 300))


def test_a_file_larger_than_any_experiment_is_refused(experiment_file) -> None:
    assert "bytes, more than 1,048,576)" in problem(experiment_file("#" * 2**20 + "\n" + GOOD))


def test_a_byte_order_mark_is_no_part_of_an_experiment(experiment_file) -> None:
    assert read_experiment(experiment_file("\ufeff" + GOOD)).name == "tiny"


def test_an_experiment_that_comes_with_the_study_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_experiment(Path("default")).name == "default"
    assert "cannot read the experiment defalt" in problem(Path("defalt"))
