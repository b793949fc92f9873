"""What the command line makes of an experiment."""

from pathlib import Path

import pytest

from loadtests.records.experiment import LoadSpec, Slo
from loadtests.spec.experiment import CapacitySpec, Experiment
from loadtests.spec.file import SpecError
from loadtests.spec.overrides import capacity_only, with_overrides

EXPERIMENT = Experiment(
    name="t",
    contenders=("fastapi",),
    load=LoadSpec(rates_rps=(10,), concurrency=(4,), steady_s=7),
    slo=Slo(latency_ms=80, max_error_ratio=0.01),
)


def test_the_capacity_study_has_no_common_levels_and_keeps_the_rest() -> None:
    chosen = capacity_only(EXPERIMENT, [])
    assert chosen.load.levels() == ()
    assert chosen.load.steady_s == 7
    assert chosen.capacity == CapacitySpec()
    assert chosen.slos == (EXPERIMENT.slo,)
    assert chosen.name == "t-capacity"


def test_slos_are_taken_from_the_command_line() -> None:
    chosen = capacity_only(EXPERIMENT, ["p99<=50ms", "P99.9 <= 200 ms"])
    assert chosen.slos == (
        Slo(percentile=99, latency_ms=50, max_error_ratio=0.01),
        Slo(percentile=99.9, latency_ms=200, max_error_ratio=0.01),
    )


@pytest.mark.parametrize("text", ["fast", "p98<=50ms", "p99<=0ms", "p99<=50", "p9.9.9<=1ms", ""])
def test_an_slo_that_is_none_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(SpecError, match="expected an SLO such as 'p99<=50ms'"):
        capacity_only(EXPERIMENT, [text])


def test_a_trace_as_recorded_has_no_capacity_to_search_for(tmp_path: Path) -> None:
    (tmp_path / "trace.csv").write_text("0\n1\n", encoding="utf-8")
    arrivals = {"kind": "trace", "file": str(tmp_path / "trace.csv")}
    traced = EXPERIMENT.model_copy(update={"load": LoadSpec(rates_rps=(1,), arrivals=arrivals)})
    with pytest.raises(SpecError, match="whose rate the capacity search can change"):
        capacity_only(traced, [])


def test_model_and_texts_are_changed_only_where_given() -> None:
    assert with_overrides(EXPERIMENT, None, None) == EXPERIMENT
    changed = with_overrides(EXPERIMENT, "base", Path("mine.txt"))
    assert (changed.model, changed.texts) == ("base", str(Path.cwd() / "mine.txt"))
