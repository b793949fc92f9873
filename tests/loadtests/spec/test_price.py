import pytest

from loadtests.spec.file import SpecError, read_experiment

EXPERIMENT = """
name = "priced"
contenders = ["fastapi"]
[load]
rates_rps = [10]
[price]
currency = "EUR"
source = "invented"
"""


@pytest.fixture
def priced(tmp_path):
    def read(line: str):
        path = tmp_path / "priced.toml"
        path.write_text(f"{EXPERIMENT}{line}\n", encoding="utf-8")
        return read_experiment(path)

    return read


def test_an_experiment_may_name_what_an_hour_costs(priced):
    assert priced("server_per_hour = 2.5").price.server_per_hour == 2.5


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("server_per_hour = 0", r"price\.server_per_hour: input should be greater than 0"),
        ("server_per_hour = 2.5\nsorce = 'x'", "did you mean 'source'"),
        ("", r"price\.server_per_hour is missing"),
    ],
)
def test_a_price_that_cannot_be_used_is_one_sentence(priced, line, problem):
    with pytest.raises(SpecError, match=problem):
        priced(line)
