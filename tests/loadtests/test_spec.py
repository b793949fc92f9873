"""Experiment files: what is accepted, and the one sentence for what is not."""

from pathlib import Path

import pytest

from loadtests.records import Level
from loadtests.spec import SpecError, read_experiment, resolve_contenders

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


@pytest.mark.parametrize("name", ["default", "smoke"])
def test_the_experiments_that_come_with_the_study_are_valid(root: Path, name: str) -> None:
    experiment = read_experiment(root / "loadtests" / "experiments" / f"{name}.toml")
    assert experiment.name == name


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("rates_rps = [10, 20]\nratesrps = [1]", "load.ratesrps is not a setting"),
        ("rates_rps = [10, 20]\nwarmup = 1", "did you mean 'warmup_s'?"),
        ("rates_rps = [0]", "load.rates_rps.0: input should be greater than 0 (found 0)"),
        ("rates_rps = []", "load: expected at least one entry in rates_rps or concurrency"),
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


def test_negative_repeats_are_refused(experiment_file) -> None:
    message = problem(experiment_file("repeats = -1\n" + GOOD))
    assert "repeats: input should be greater than or equal to 1 (found -1)" in message


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


def test_the_steady_state_is_long_enough_for_the_requests_asked_for(experiment_file) -> None:
    text = GOOD.replace("[load]", "[load]\nsteady_s = 4\nmin_requests = 100")
    load = read_experiment(experiment_file(text)).load
    assert load.steady_for(Level("open", rate_rps=10)) == 10
    assert load.steady_for(Level("open", rate_rps=50)) == 4
