"""Numbers on the command line that have a least value must have an end, too."""

import pytest
from typer.testing import CliRunner

from study import app


@pytest.mark.parametrize("value", ["inf", "nan"])
@pytest.mark.parametrize(
    "command",
    [
        ("report", "some-run", "--price-per-hour"),
        ("crosscheck", "--rate-rps"),
        ("coexist", "--seconds"),
        ("capacity", "default", "--budget-s"),
    ],
    ids=lambda command: command[0],
)
def test_a_number_without_an_end_is_refused_before_anything_starts(
    command: tuple[str, ...], value: str
) -> None:
    done = CliRunner().invoke(app, [*command, value], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert f"Invalid value for '{command[-1]}'" in done.stderr
