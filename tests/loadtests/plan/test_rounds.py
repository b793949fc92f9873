"""What comes before the rounds, and who is up during them."""

from loadtests.plan.rounds import calibration, expected_lengths_s, residents_of
from loadtests.records.experiment import LoadSpec
from loadtests.spec.experiment import Experiment
from servers.discovery import discover

NAMES = ("fastapi", "triton", "hybrid")


def experiment(**changes: object) -> Experiment:
    fields: dict[str, object] = {
        "name": "t",
        "contenders": NAMES,
        "load": LoadSpec(rates_rps=(10, 20)),
        "aa_test": "triton",
    }
    return Experiment.model_validate(fields | changes)


def test_calibration_loads_each_null_server_once() -> None:
    assert [trial.trial_id for trial in calibration(experiment(), discover())] == [
        "calibration-null-http-c16",
        "calibration-null-grpc-c16",
    ]


def test_the_reference_is_started_first_and_the_contender_of_the_aa_test_twice() -> None:
    every = residents_of(experiment(reference="hybrid"), discover())
    assert [each.name for each in every] == ["hybrid", "fastapi", "triton", "triton-again"]
    assert every[-1].server == every[-2].server == "triton_service"


def test_one_at_a_time_every_slice_has_a_start_of_its_own() -> None:
    before_s, round_s = expected_lengths_s(experiment(), discover())
    alone_before_s, alone_s = expected_lengths_s(experiment(), discover(), one_at_a_time=True)
    assert alone_before_s + alone_s == before_s + round_s
    assert alone_s > round_s


def test_a_slice_that_is_made_again_is_another_trial_of_the_same_schedule() -> None:
    (first, _) = calibration(experiment(), discover())
    assert first.again.trial_id == f"{first.trial_id}-2"
    assert first.again.schedule_seed == first.schedule_seed
