"""What `study calibrate` prints can be read in a terminal of 80 columns."""

import io

from rich.console import Console

from loadtests.selfcheck.calibration import Calibrated
from loadtests.selfcheck.calibration_table import rows_tables


def test_no_figure_and_no_client_is_cut_at_80_columns() -> None:
    figures = (126_964.0, 138_739.0, 1_234, 10.33, 105.19, 101.35, 0.97, 0.44)
    row = Calibrated(
        *("kserve-grpc", "tritonclient", "stock", "closed, 16 callers"),
        *figures,
        limited_by="other programs, or waiting",
        rounds_rps=(126_964.0,),
    )
    console = Console(width=80, file=io.StringIO())
    console.print(*rows_tables([row]))
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()
    assert "…" not in printed
    for whole in (
        "tritonclient",
        "126,964",
        "138,739",
        "1234",
        "10.33",
        "105.19",
        "101.35",
        "97 %",
    ):
        assert whole in printed
