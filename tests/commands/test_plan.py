"""`study plan`: what it prints and writes, and what it refuses. Nothing here was measured."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from commands.common import console
from study import app

from ..analysis.report.planned_run import CONTENDERS, planned_run, served

pytestmark = pytest.mark.usefixtures("brief_curves")

WIDE = {"COLUMNS": "220"}
CURVE = "a100-fp16-tensorrt"


def plan(*arguments: object) -> Result:
    # A console that was made where COLUMNS was set keeps that width.
    before = console.width
    console.width = int(WIDE["COLUMNS"])
    try:
        return CliRunner().invoke(app, ["plan", *map(str, arguments)], env=WIDE)
    finally:
        console.width = before


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planned_run(tmp_path_factory.mktemp("runs") / "mine")


@pytest.fixture(scope="module")
def printed(run: Path) -> str:
    done = plan("--run", run, "--rate", "150/s", "--price-per-hour", 2, "--growth", "2x")
    assert done.exit_code == 0, done.output
    return done.stdout


def test_every_contender_has_a_row_with_replicas_costs_and_how_it_is_known(printed: str) -> None:
    assert "For 150 requests/s times 2: P99 at most 100 ms" in printed
    rows = [line for line in printed.splitlines() if line.startswith("│ fastapi")]
    assert [row.split("│")[1].strip() for row in rows] == [
        "fastapi-tuned",
        "fastapi-batched",
        "fastapi",
    ]
    assert all("predicted" in row or "measured" in row for row in rows)
    assert "1,460" in rows[0]  # 730 hours of one replica


def test_the_crossover_and_the_sensitivity_follow(printed: str) -> None:
    assert "fastapi needs more replicas than fastapi-batched from " in printed
    assert "if both capacities are off by 20" in printed
    for text in ("half as long", "evenly spaced", "bunched"):
        assert text in printed


@pytest.fixture(scope="module")
def simulated(run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("figures")
    figure = folder / "map.svg"
    done = plan("--run", run, "--curve", CURVE, "--cores", 2, "--figure", figure, "--slo=p99<=20ms")
    assert done.exit_code == 0, done.output
    return done.stdout, folder


def test_what_comes_from_a_curve_is_called_simulated_in_every_row(
    simulated: tuple[str, Path],
) -> None:
    rows = [line for line in simulated[0].splitlines() if line.startswith("│ fastapi")]
    assert len(rows) == 3
    assert all("simulated device: NVIDIA A100" in row for row in rows)
    assert "device busy, of best" in simulated[0]
    assert "Nothing of it was measured with this plan." in simulated[0]


def test_the_winner_map_of_a_curve_is_called_simulated_in_its_name_and_inside(
    simulated: tuple[str, Path],
) -> None:
    (figure,) = simulated[1].iterdir()
    assert figure.name == "map-simulated.svg"
    text = figure.read_text()
    assert "simulated device: NVIDIA A100 40GB, fp16" in text
    assert "measured" not in text.replace("predicted", "")


def test_json_is_all_that_is_printed_where_it_is_asked_for(run: Path) -> None:
    done = plan("--run", run, "--json", "--rate", "1k")
    found = json.loads(done.stdout)
    assert [each["contender"] for each in found["answered"]["answers"]][-1] == "fastapi"
    assert found["rate_rps"] == 1000
    assert found["slo"]["latency_ms"] == 100


def test_a_check_shows_every_point_with_its_errors_and_the_goals(run: Path) -> None:
    done = plan("--check", run)
    assert done.exit_code == 0, done.output
    rows = [line for line in done.stdout.splitlines() if line.startswith("│ fastapi")]
    assert len(rows) == 6
    assert "points up to 90" in done.stdout
    assert "Costs of the servers come from loads of the same run" in done.stdout


def test_a_check_takes_costs_from_another_run_where_one_is_named(run: Path, tmp_path: Path) -> None:
    other = planned_run(tmp_path / "other")
    done = plan("--check", run, "--run", other, "--json")
    found = json.loads(done.stdout)
    assert found["own_costs"] is False
    assert len(found["errors"]) == 6
    assert found["points"][0].keys() >= {"contender", "rate_rps", "p99_low_ms", "p99_high_ms"}
    assert "certificate" not in found["points"][0]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--rate", "lots"], "expected an arrival rate above 0 and up to 1,000,000/s, such as 500"),
        (["--growth", "50%"], "expected a growth such as 2x or +50%"),
        (["--slo", "fast"], "expected an SLO such as 'p99<=50ms'"),
        (["--slo", "p98<=50ms"], "expected an SLO such as 'p99<=50ms'"),
        (["--curve", "h100"], "expected a curve (a100-fp16-onnxruntime, "),
        (["--curve", "none.toml"], "expected the file of a curve at none.toml"),
        (["--price-per-hour", "0"], "expected a price above 0"),
        (["--cores", "4"], "expected --cores together with --curve"),
        (["--rate", "1000000"], "expected a rate that 1,000 replicas of some contender reach"),
        (["--slo", "p99<=0.01ms"], "expected a contender with a P99 of at most 0.01 ms"),
        (["--figure", "map.pdf"], "expected a figure that ends with .svg or .png"),
        (["--run", "nowhere"], "expected manifest.json in nowhere, found none"),
        (["--check", "nowhere"], "expected manifest.json in nowhere, found none"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_planned_is_one_sentence(
    run: Path, arguments: list[str], sentence: str
) -> None:
    done = plan("--run", run, *arguments)
    assert done.exit_code == 2
    assert done.stdout.strip() == ""
    assert done.stderr.startswith(f"study: {sentence}")
    assert done.stderr.count("\n") == 1


def test_a_curve_that_lacks_a_field_is_one_sentence(run: Path, tmp_path: Path) -> None:
    curve = tmp_path / "mine.toml"
    curve.write_text('device = "a card"\n')
    done = plan("--run", run, "--curve", curve)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("study: expected precision in the curve ")


def test_a_run_without_its_engines_cannot_be_planned_from(tmp_path: Path) -> None:
    done = plan("--run", planned_run(tmp_path / "mine", with_engines=False))
    assert done.exit_code == 2
    assert done.stderr.startswith("study: expected a run whose contenders can be predicted, ")
    assert "measured alone, found nothing in mine: run an experiment with [engines]" in done.stderr


def test_a_contender_that_is_not_modelled_is_left_out_with_the_reason(tmp_path: Path) -> None:
    law = served("law", 0.003)
    contenders = [*CONTENDERS[:1], type(law)("law", 0.003, server="simulated_service")]
    done = plan("--run", planned_run(tmp_path / "mine", contenders), "--rate", 50)
    assert done.exit_code == 0, done.output
    assert "Left out: expected a contender of fastapi_service, " in done.stdout
