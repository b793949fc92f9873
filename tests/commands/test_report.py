"""What a person asks of `study report` reaches the analysis, and what cannot be is refused."""

import pytest
from typer.testing import CliRunner

import commands.reporting
from analysis.decide.asked import NOTHING_ASKED, Asked
from loadtests.records.experiment import Price
from study import app


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch):
    """Runs the command; what it asked for."""

    def run(*options: str) -> Asked:
        found: list[Asked] = []
        monkeypatch.setattr(
            commands.reporting, "write_report", lambda folder, asked: found.append(asked)
        )
        done = CliRunner().invoke(app, ["report", "some-run", *options])
        assert done.exit_code == 0, done.output
        return found[0]

    return run


def test_nothing_is_asked_where_no_option_is_given(asked) -> None:
    assert asked() == NOTHING_ASKED


def test_rate_headroom_weights_and_price_are_asked_for(asked) -> None:
    found = asked(
        *("--at-rate", "400", "--headroom", "0.7", "--price-per-hour", "0.5"),
        *("--weight", "tritonserver=2", "--weight", "exported network=0"),
    )
    price = Price(server_per_hour=0.5, currency="USD", source="given on the command line")
    assert found == Asked(price, 400.0, 0.7, {"tritonserver": 2.0, "exported network": 0.0})


def test_a_weight_without_a_value_is_refused_in_one_sentence() -> None:
    done = CliRunner().invoke(app, ["report", "some-run", "--weight", "tritonserver"])
    assert done.exit_code == 2
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("study: expected NAME=VALUE with a value of 0 or more, found")
