"""A run of an earlier schema version is refused by `study report`, and left as it was."""

import json

import pytest
from typer.testing import CliRunner

from loadtests.records.trials import Level
from study import app


@pytest.mark.parametrize("name", ["manifest.json", "trials/one-100rps-1/trial.json"])
def test_a_report_on_an_older_run_is_refused_in_one_sentence(name, new_run, contender, make_rows):
    run = new_run(["one"], rates_rps=[100.0])
    level = Level("open", rate_rps=100.0)
    run.add(contender("one", 0.002), make_rows([1.5], [1.5], [1.6]), level)
    path = run.folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 2}))
    done = CliRunner().invoke(app, ["report", str(run.folder)])
    assert done.exit_code == 2
    (sentence,) = done.output.splitlines()
    assert sentence == (
        f"study: {path} has schema version 2, this version of the study reads 4: use the version "
        "that made the run."
    )
    assert not (run.folder / "report.html").exists()
