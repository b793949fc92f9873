"""Experiments on simulated devices: nothing in them goes without the word."""

from pathlib import Path

import pytest

from loadtests.spec.contenders import resolve_contenders
from loadtests.spec.experiment import Experiment
from loadtests.spec.file import SpecError, read_experiment
from servers.device_curve import curve_named, curve_toml

VARIANT = """
name = "mine"
rounds = 1
reference = "simulated"
contenders = ["simulated"]
[load]
rates_rps = [10]
[[variants]]
name = "simulated"
base = "triton"
engine = "replay"
options = { curve = "CURVE" }
"""


@pytest.mark.parametrize("name", ["replay-a100", "replay-t4"])
def test_whatever_is_simulated_says_so_in_its_name_and_has_a_label(name: str) -> None:
    experiment = read_experiment(Path(name))
    card = name.removeprefix("replay-").upper()
    compared = [resolve_contenders(experiment)[each] for each in experiment.contenders]
    assert {contender.server for contender in compared} == {
        *("fastapi_service", "litserve_service", "triton_service", "hybrid_gateway")
    }
    assert {contender.setting for contender in compared} == {"as-published", "tuned"}
    for contender in compared:
        assert "simulated" in contender.name
        assert contender.simulated_device.startswith("simulated device: ")
        assert card in contender.simulated_device
        assert contender.options["device"] == "cuda"


def test_the_proof_compares_each_server_with_itself_on_the_curve_of_its_engine() -> None:
    experiment = read_experiment(Path("replay-cpu"))
    known = resolve_contenders(experiment)
    real = [name for name in experiment.contenders if not name.endswith("-simulated")]
    assert len(real) * 2 == len(experiment.contenders)
    for name in real:
        one, other = known[name], known[f"{name}-simulated"]
        assert not one.simulated_device
        assert other.simulated_device
        curve = curve_named(str(other.options["curve"]))
        assert curve.measured
        assert curve.software.startswith(one.engine)
        assert {**one.options, "curve": curve.name} == other.options


def test_the_file_of_a_curve_is_found_from_the_folder_of_the_experiment(tmp_path: Path) -> None:
    given = curve_named("t4-fp16-tensorrt")
    (tmp_path / "own.toml").write_text(curve_toml(given), encoding="utf-8")
    path = tmp_path / "experiment.toml"
    path.write_text(VARIANT.replace("CURVE", "own.toml"), encoding="utf-8")
    experiment = read_experiment(path)
    assert experiment.variants[0].options["curve"] == str(tmp_path / "own.toml")
    assert resolve_contenders(experiment)["simulated"].simulated_device == given.label
    again = Experiment.model_validate(experiment.model_dump(mode="json"))
    assert again == experiment


def test_a_curve_that_cannot_be_used_is_a_sentence_about_the_experiment(tmp_path: Path) -> None:
    path = tmp_path / "experiment.toml"
    path.write_text(VARIANT.replace("CURVE", "own.toml"), encoding="utf-8")
    with pytest.raises(SpecError, match="variant 'simulated': expected the file of a curve at"):
        read_experiment(path)
