"""The search, on one screen: generations of candidates beside the default, then the best few."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.host.locks import writing
from loadtests.measure.tools import Tools
from loadtests.plan.time_budget import CLOSING_S
from loadtests.records.durations import clock
from loadtests.records.trials import read_begun, read_json
from loadtests.records.tuning import FINAL, Judged, Tuning, in_words
from loadtests.run.flow import run_study
from loadtests.run.options import RunOptions, spent_s
from loadtests.run.stops import says_how_to_go_on
from loadtests.spec.experiment import Experiment
from loadtests.spec.file import stored_experiment
from loadtests.tune.generation import final, generation, generation_name, settings_of
from loadtests.tune.propose import Tried, finalists, proposals
from loadtests.tune.space import Space, TuneError

RUNS = "runs"
"""In the folder of a search: the run of each generation, an ordinary one."""

Judge = Callable[[Path], Judged]
"""What analysis says of the run of a generation."""


@dataclass(frozen=True)
class Runs:
    """What a search has measured. final None: no candidate could be compared with the default."""

    generations: list[Path]
    final: Path | None


def search(folder: Path, tuning: Tuning, n_cores: int, tools: Tools, judge: Judge) -> Runs:
    """Carries out what tuning plans, in its folder; generations that are finished are kept as they
    are, and one that was stopped is continued."""
    with writing(folder, tuning.command):
        found = _Search(folder, tuning, Space(tuning.space, tuning.default, n_cores), tools, judge)
        for number in range(1, tuning.generations + 1):
            if not found.generation(number):
                break
        return Runs(found.runs, found.last())


def says_how_to_tune_on(folder: Path) -> AbstractContextManager[None]:
    """A block in which a search is carried out and its answer written."""
    return says_how_to_go_on(folder, "What is measured is kept", "study tune --resume")


@dataclass
class _Search:
    folder: Path
    tuning: Tuning
    space: Space
    tools: Tools
    judge: Judge
    tried: list[Tried] = field(default_factory=list)
    runs: list[Path] = field(default_factory=list)
    default_rps: float | None = None

    def generation(self, number: int) -> bool:
        """Measures and judges one; False: nothing is left to try."""
        tuning = self.tuning
        experiment = self._begun(generation_name(number)) or self._planned(number)
        if experiment is None:
            return False
        what = f"Generation {number} of {tuning.generations}"
        run = self._measured(experiment, what, tuning.generations - number)
        judged = self.judge(run)
        if judged.default_rps is None and not any(judged.scores.values()):
            raise TuneError(
                f"expected {tuning.contender} to have a capacity under {tuning.slo}, found none, "
                f"nor any of its candidates: `study report {run}` shows why; start a new search "
                "with another SLO, a lower rate or more time."
            )
        self.default_rps = judged.default_rps or self.default_rps
        for name, settings in settings_of(experiment, tuning).items():
            score = judged.scores.get(name)
            self.tried.append(Tried(name, settings, score, name in judged.open))
            self.tools.say(f"  {name}: {_told(self.tried[-1])}")
        self.runs.append(run)
        return True

    def last(self) -> Path | None:
        """Measures the best few once more."""
        experiment = self._begun(FINAL)
        if experiment is None:
            best = finalists(self.tried, self.tuning.finalists)
            if not best:
                return None
            named = {each.name: each.settings for each in best}
            experiment = final(self.tuning, named, self.default_rps)
        return self._measured(experiment, "The best once more, for the verdict", 0)

    def _planned(self, number: int) -> Experiment | None:
        tuning = self.tuning
        new = proposals(self.space, self.tried, tuning.candidates, tuning.seed)
        named = {f"c{len(self.tried) + k}": settings for k, settings in enumerate(new, start=1)}
        return generation(tuning, number, named, self.default_rps) if named else None

    def _begun(self, name: str) -> Experiment | None:
        """The experiment of a run that was begun, as it was planned then."""
        run = self._run_of(name)
        return stored_experiment(read_begun(run).experiment, run) if run else None

    def _run_of(self, name: str) -> Path | None:
        found = sorted((self.folder / RUNS).glob(f"{name}-*/manifest.json"))
        return found[0].parent if found else None

    def _measured(self, experiment: Experiment, what: str, n_after: int) -> Path:
        """The finished run of a generation, which n_after others follow before the last."""
        begun = self._run_of(experiment.name)
        if begun and read_json(begun / "manifest.json").get("finished_at"):
            return begun
        left_s = experiment.time_budget_s - (spent_s(begun) if begun else 0.0)
        # One that was stopped at its very end has only that left.
        left_s = max(left_s, CLOSING_S + 1.0)
        self._announce(what, experiment, left_s, n_after)
        options = RunOptions(
            read=lambda: experiment,
            results=self.folder / RUNS,
            command=self.tuning.command,
            resumed=begun,
            began_s=self.tools.clock(),
            budget_s=left_s,
            stops=lambda _: nullcontext(),  # the search says it: not the run alone is to go on
        )
        return run_study(options, self.tools, None, lambda _: None)

    def _announce(self, what: str, experiment: Experiment, left_s: float, n_after: int) -> None:
        tuning, say = self.tuning, self.tools.say
        last_s = 0.0 if experiment.name == FINAL else tuning.final_s
        all_s = left_s + n_after * tuning.generation_s + last_s
        say(f"{what}, beside {tuning.contender} as it is; about {clock(all_s)} left in all:")
        for variant in experiment.variants:
            say(f"  {variant.name}: {in_words(variant.options)}")


def _told(tried: Tried) -> str:
    score = tried.score
    if score is None:
        return "not enough was measured to compare it" if tried.open else "could not be compared"
    beyond = "" if score.allowed else "; beyond the limits"
    return (
        f"{score.capacity_ratio:.2f} times the default's capacity, {score.p50_ratio:.2f} times its "
        f"P50 at low load{beyond}"
    )
