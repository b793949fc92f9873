"""`study claims`: what it prints, and what it refuses."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from study import app

from ..analysis.agreement.runs import finished_run

WIDE = {"COLUMNS": "200"}


def printed(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["claims", *arguments], env=WIDE)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_run(tmp_path_factory.mktemp("runs") / "mine").folder


def test_one_statement_is_shown_whole() -> None:
    shown = printed("--statement", "6")
    assert shown.startswith("6. vLLM serves large language models only.\n")
    for text in ("production guide", "documentation", "false", "models/pooling_models", "also se"):
        assert text in shown


def test_a_statement_about_a_gpu_says_what_the_given_run_lacks(run: Path) -> None:
    assert "not testable here, because it needs a GPU" in printed(str(run), "--statement", "69")


def test_the_table_holds_every_statement_and_its_counts(run: Path) -> None:
    shown = printed(str(run))
    assert len(re.findall(r"^│ +\d+ │", shown, re.MULTILINE)) == 112
    assert "112 statements: " in shown


def test_a_verdict_leaves_only_its_statements(run: Path) -> None:
    shown = printed(str(run), "--verdict", "opinion")
    assert len(re.findall(r"^│ +\d+ │", shown, re.MULTILINE)) == 6
    assert "6 statements: 6 are opinions." in shown


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--statement", "113"], "expected a statement of 1 to 112, found 113."),
        (["--verdict", "perhaps"], "expected a verdict, one of 'holds', "),
        (["nowhere", "--statement", "69"], "expected manifest.json in nowhere, found none"),
    ],
)
def test_what_cannot_be_shown_is_one_sentence(arguments: list[str], sentence: str) -> None:
    done = CliRunner().invoke(app, ["claims", *arguments], env=WIDE)
    assert done.exit_code == 2
    assert done.stdout.strip() == ""
    assert done.stderr.startswith(f"study: {sentence}")
    assert done.stderr.count("\n") == 1
