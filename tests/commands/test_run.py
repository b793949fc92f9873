"""`study run`: what is wired before anything is measured."""

from pathlib import Path

from typer.testing import CliRunner

from study import app


def test_a_time_budget_counts_the_report_and_is_refused_where_it_leaves_no_time(
    tmp_path: Path,
) -> None:
    arguments = ["run", "smoke", "--results", str(tmp_path / "results"), "--time-budget", "1s"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert "give more time" in done.stderr
    assert not (tmp_path / "results").exists()


def test_load_from_other_hosts_is_refused_where_no_contender_is_external(tmp_path: Path) -> None:
    results = ["--results", str(tmp_path / "results")]
    done = CliRunner().invoke(app, ["run", "smoke", "--load-from", "192.0.2.7:5557", *results])
    assert done.exit_code == 2
    assert "external contenders" in done.stderr
    assert not (tmp_path / "results").exists()
