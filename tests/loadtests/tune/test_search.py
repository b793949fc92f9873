"""Whole searches on a simulated machine, judged by a simulated law: nothing here was measured."""

import errno
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from loadtests.host.locks import LockError, writing
from loadtests.launch.artefacts import Artefacts
from loadtests.measure.tools import Tools
from loadtests.records.run_trials import read_trials
from loadtests.records.stored import RecordError
from loadtests.records.trials import read_begun, read_json
from loadtests.records.tuning import Judged, Score, Tuning
from loadtests.spec.experiment import Experiment
from loadtests.spec.file import stored_experiment
from loadtests.tune.generation import settings_of
from loadtests.tune.search import RUNS, Runs, says_how_to_tune_on, search
from loadtests.tune.space import TuneError
from loadtests.wire.texts import TrafficText

from ..run.conftest import Heard, Machine
from .drafts import draft


def plan(**changes: Any) -> Tuning:
    """Two generations of two, of about ten slices each, and one finalist."""
    times = {"generations": 2, "generation_s": 75.0, "final_s": 75.0}
    return draft().model_copy(update=times | changes)


@dataclass
class Laboratory:
    """A simulated machine, and what a search on it says. gain: by the value of max_batch_size and
    instances, over the default's capacity."""

    folder: Path
    machine: Machine = field(default_factory=Machine)
    said: list[str] = field(default_factory=list)
    judged: list[str] = field(default_factory=list)
    gain: Callable[[dict[str, Any]], Score | None] = lambda settings: Score(
        1.2 if settings["max_batch_size"] == 8 else 0.9, 1.0
    )
    default_rps: float | None = 300.0
    open: frozenset[str] = frozenset()

    def judge(self, tuning: Tuning) -> Callable[[Path], Judged]:
        def judged(run: Path) -> Judged:
            experiment = experiment_of(run)
            self.judged.append(experiment.name)
            found = settings_of(experiment, tuning)
            return Judged(
                {name: self.gain(dict(each)) for name, each in found.items()},
                self.default_rps,
                self.open,
            )

        return judged

    def search(self, tuning: Tuning, heard: Heard | None = None) -> Runs:
        heard, machine = heard or Heard(), self.machine
        artefacts = Artefacts(
            self.folder, self.folder, [TrafficText(0, "hello", 4, "null", 1.0)], {}, {}
        )
        tools = Tools(
            self.folder,
            self.said.append,
            lambda _: nullcontext(heard),
            lambda _: nullcontext(),
            clock=machine.clock,
            prepare=lambda *_: artefacts,
            launch=machine.launch,
            ask=machine.ask,
            memory=machine.memory,
            replay=machine.replay,
            measure_engines=machine.measure_engines,
        )
        return search(self.folder, tuning, 1, tools, self.judge(tuning))


def experiment_of(run: Path) -> Experiment:
    return stored_experiment(read_begun(run).experiment, run)


def slices_of(run: Path) -> dict[str, str]:
    return {trial_id: record.started_at for trial_id, record in read_trials(run).items()}


@pytest.fixture
def laboratory(tmp_path: Path) -> Laboratory:
    folder = tmp_path / "tune"
    folder.mkdir()
    return Laboratory(folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Laboratory, Runs]:
    """A search that nothing stopped."""
    laboratory = Laboratory(tmp_path_factory.mktemp("tune"))
    return laboratory, laboratory.search(plan())


def test_every_generation_is_a_finished_run_with_the_default_beside_its_candidates(
    finished: tuple[Laboratory, Runs],
) -> None:
    laboratory, runs = finished
    found = [experiment_of(run).contenders for run in all_of(runs)]
    assert found == [("triton", "c1", "c2"), ("triton", "c3", "c4"), ("triton", "c1")]
    for run in all_of(runs):
        assert run.parent == laboratory.folder / RUNS
        assert read_json(run / "manifest.json")["finished_at"]
    loaded = {record.contender_name for record in read_trials(runs.generations[0]).values()}
    assert loaded == {"null-grpc", "triton", "c1", "c2"}


def test_it_says_what_is_tried_how_long_it_takes_and_what_came_of_it(
    finished: tuple[Laboratory, Runs],
) -> None:
    said = finished[0].said
    assert "Generation 1 of 2, beside triton as it is; about 3:45 left in all:" in said
    assert "Generation 2 of 2, beside triton as it is; about 2:30 left in all:" in said
    assert "  c1: max_batch_size = 8" in said
    assert "  c2: 0.90 times the default's capacity, 1.00 times its P50 at low load" in said
    assert said.index("  c1: max_batch_size = 8") < said.index(
        "  c1: 1.20 times the default's capacity, 1.00 times its P50 at low load"
    )


def test_the_search_for_capacity_goes_on_where_the_default_was_found(
    finished: tuple[Laboratory, Runs],
) -> None:
    begun = [experiment_of(run).capacity for run in finished[1].generations]
    assert [each.start_rps for each in begun if each] == [50, 300]


def test_a_finished_search_measures_nothing_more_when_it_is_resumed(
    finished: tuple[Laboratory, Runs],
) -> None:
    laboratory, runs = finished
    n_said, now_s = len(laboratory.said), laboratory.machine.now_s
    assert laboratory.search(plan()) == runs
    assert laboratory.machine.now_s == now_s
    assert not any("Generation" in line for line in laboratory.said[n_said:])


@pytest.mark.parametrize("stop_after", [3, 18])
def test_a_search_that_was_stopped_goes_on_and_keeps_what_is_finished(
    finished: tuple[Laboratory, Runs], laboratory: Laboratory, stop_after: int
) -> None:
    go_on = f"What is measured is kept: study tune --resume {laboratory.folder}$"
    with (
        pytest.raises(KeyboardInterrupt, match=go_on),
        says_how_to_tune_on(laboratory.folder),
    ):
        laboratory.search(plan(), Heard(stop_after=stop_after))
    kept = {run.parent: slices_of(run.parent) for run in manifests(laboratory.folder)}
    assert kept
    runs = laboratory.search(plan())
    assert [experiment_of(run).variants for run in all_of(runs)] == [
        experiment_of(run).variants for run in all_of(finished[1])
    ]
    assert len(manifests(laboratory.folder)) == 3
    for run, slices in kept.items():
        assert slices.items() <= slices_of(run).items()


def test_a_full_disk_names_the_command_that_goes_on_with_the_search(
    laboratory: Laboratory,
) -> None:
    laboratory.machine.slices = [OSError(errno.ENOSPC, "full", str(laboratory.folder / "rows"))]
    with (
        pytest.raises(RecordError, match=f"continue with study tune --resume {laboratory.folder}$"),
        says_how_to_tune_on(laboratory.folder),
    ):
        laboratory.search(plan())


def manifests(folder: Path) -> list[Path]:
    return sorted((folder / RUNS).glob("*/manifest.json"))


def all_of(runs: Runs) -> list[Path]:
    return [*runs.generations, *([runs.final] if runs.final else [])]


def test_candidates_that_cannot_be_compared_leave_no_last_generation(
    laboratory: Laboratory,
) -> None:
    laboratory.gain = lambda settings: None
    runs = laboratory.search(plan())
    assert (len(runs.generations), runs.final) == (2, None)
    assert "  c1: could not be compared" in laboratory.said


def test_where_too_little_was_measured_the_rest_of_the_time_goes_to_the_last_generation(
    laboratory: Laboratory,
) -> None:
    laboratory.gain, laboratory.open = lambda settings: None, frozenset({"c2"})
    runs = laboratory.search(plan())
    assert runs.final is not None
    assert experiment_of(runs.final).contenders == ("triton", "c2")
    assert "  c2: not enough was measured to compare it" in laboratory.said


def test_a_default_without_a_capacity_ends_the_search_with_a_sentence(
    laboratory: Laboratory,
) -> None:
    laboratory.gain, laboratory.default_rps = lambda settings: None, None
    with pytest.raises(TuneError, match="expected triton to have a capacity under P99 at most 100"):
        laboratory.search(plan())
    assert laboratory.judged == ["generation-1"]


def test_a_configuration_beyond_the_limits_is_said_to_be_and_is_no_finalist(
    laboratory: Laboratory,
) -> None:
    usual = laboratory.gain
    laboratory.gain = lambda settings: (
        replace(score, allowed=score.capacity_ratio < 1) if (score := usual(settings)) else None
    )
    runs = laboratory.search(plan())
    assert runs.final is not None
    assert "c1" not in experiment_of(runs.final).contenders
    assert any(line.endswith("; beyond the limits") for line in laboratory.said)


def test_a_search_in_progress_is_not_continued_by_a_second_command(
    laboratory: Laboratory,
) -> None:
    with (
        writing(laboratory.folder, "study tune"),
        pytest.raises(LockError, match="expected a run that nobody continues"),
    ):
        laboratory.search(plan())
