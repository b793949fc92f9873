"""`study tune`: what is refused before anything is measured."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from loadtests.records.stored import SCHEMA_VERSION
from study import app


def tune(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["tune", *map(str, arguments)])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "expected a contender, or --resume with the folder of a search, found neither"),
        (["nobody"], "expected a contender, found 'nobody': choose one of "),
        (["fastapi"], "expected a contender with Triton and its batcher inside, found 'fastapi', "),
        (["triton-unbatched"], "expected a contender with Triton and its batcher inside, found "),
        (["triton", "--slo", "fast"], "expected an SLO such as 'p99<=50ms'"),
        (["triton", "--time-budget", "30"], "expected a time budget with its unit, such as 540s"),
        (["triton", "--time-budget", "2m"], "expected at least "),
        (["triton", "--time-budget", "25h"], "expected a time budget of at most 24h for a search"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else "",
)
def test_what_cannot_be_tuned_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = tune(*arguments, "--results", "results")
    assert done.exit_code == 2
    assert done.stderr.startswith(f"study: {sentence}")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "expected the folder of a search, found no tune.json in nowhere: give one that "),
        (["triton"], "expected nothing beside --resume, found CONTENDER: a search keeps what "),
        (
            ["--slo", "p99<=100ms", "--time-budget", "1h"],
            "expected nothing beside --resume, found --slo, --time-budget: a search keeps what ",
        ),
    ],
    ids=str,
)
def test_a_search_is_resumed_as_it_was_begun(arguments: list[str], sentence: str) -> None:
    done = tune(*arguments, "--resume", "nowhere")
    assert done.exit_code == 2
    assert done.stderr.startswith(f"study: {sentence}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("no JSON", "tune.json is not JSON"),
        (json.dumps({"schema_version": SCHEMA_VERSION}), "tune.json: contender: Field required"),
        (json.dumps({"schema_version": 1}), "tune.json has schema version 1"),
    ],
)
def test_a_damaged_search_is_refused_in_a_sentence(
    tmp_path: Path, content: str, sentence: str
) -> None:
    (tmp_path / "tune.json").write_text(content)
    done = tune("--resume", tmp_path)
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
