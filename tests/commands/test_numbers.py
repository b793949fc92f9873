"""Numbers on the command line that have a least value must have an end, too."""

import pytest
from typer.testing import CliRunner

from study import app


@pytest.mark.parametrize("value", ["inf", "nan"])
@pytest.mark.parametrize(
    "command",
    [
        ("report", "some-run", "--price-per-hour"),
        ("report", "some-run", "--at-rate"),
        ("report", "some-run", "--headroom"),
        ("crosscheck", "--rate-rps"),
        ("colocate", "--seconds"),
        ("tune", "--low-rate"),
        ("tune", "--max-p50"),
        ("tune", "--max-memory"),
    ],
    ids=" ".join,
)
def test_a_number_without_an_end_is_refused_before_anything_starts(
    command: tuple[str, ...], value: str
) -> None:
    done = CliRunner().invoke(app, [*command, value], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert f"Invalid value for '{command[-1]}'" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("colocate", "--callers"),
        ("colocate", "--repeats"),
        ("crosscheck", "--concurrency"),
        ("crosscheck", "--rounds"),
        ("tune", "--candidates"),
        ("tune", "--finalists"),
        ("tune", "--seed"),
    ],
    ids=" ".join,
)
def test_a_count_that_no_machine_could_serve_is_refused(command: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*command, "99999999999"], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert f"Invalid value for '{command[-1]}'" in done.stderr
