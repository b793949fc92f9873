"""Whole runs within a budget of time, on a clock that only the simulated machine moves."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import pytest

from loadtests.host.cores import available_cores
from loadtests.launch.artefacts import Artefacts
from loadtests.measure.trial import RunContext
from loadtests.plan import rounds
from loadtests.plan.rounds import PlannedTrial
from loadtests.plan.timetable import Limits, Timetable, TimeUp
from loadtests.records.tables import SCHEMAS, write_table
from loadtests.records.trials import (
    SCHEMA_VERSION,
    Dropped,
    TrialRecord,
    read_json,
    write_json,
    write_trial,
)
from loadtests.run import forecast as forecast_module
from loadtests.run import history as history_module
from loadtests.run import sessions as sessions_module
from loadtests.run.execution import execute
from loadtests.run.history import History
from loadtests.spec.contenders import resolve_contenders
from loadtests.spec.experiment import CapacitySpec, Experiment, LoadSpec, VariantSpec

NAMES = ("null-http", "null-grpc", "simulated-a", "simulated-b")
CAPACITY_RPS = dict(zip(NAMES, (400, 90, 130, 900), strict=True))
ASKED: dict[str, object] = {
    "name": "t",
    "reference": "null-http",
    "contenders": NAMES,
    "repeats": 3,
    "aa_test": "simulated-a",
    "load": LoadSpec(rates_rps=(50, 25), warmup_s=0.5, steady_s=4),
    "capacity": CapacitySpec(start_rps=50, warmup_s=0.5, steady_s=2, budget_s=10_000),
    "calibration": None,
    "variants": tuple(
        VariantSpec(name=n, base="simulated", options={}) for n in ("simulated-a", "simulated-b")
    ),
}


@dataclass
class Machine:
    """Starts and trials take time on its clock, and nothing else does."""

    start_s: Mapping[str, float] = field(default_factory=dict)
    usual_start_s: float = 5.0
    around_trial_s: float = 1.5
    now_s: float = 0.0
    made: list[TrialRecord] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now_s

    def run_session(
        self,
        first: PlannedTrial,
        others: Iterator[PlannedTrial],
        context: RunContext,
        limits: Limits,
        finished: Callable[[PlannedTrial, TrialRecord], None],
    ) -> None:
        """As loadtests.measure.session.run_session, without servers."""
        start_s = self.start_s.get(first.contender.name, self.usual_start_s)
        self.now_s += min(start_s, limits.start_s)
        trial: PlannedTrial | None = first
        while trial is not None:
            completed = start_s <= limits.start_s
            if completed:
                self._serve(trial, limits.time.until_end_s())
            record = TrialRecord(
                trial_id=trial.trial_id,
                purpose=trial.purpose,
                contender=asdict(trial.contender),
                level=trial.level,
                repeat=trial.repeat,
                order=len(self.made) + 1,
                status="completed" if completed else "failed",
                startup_s=start_s if completed else None,
                phases=trial.phases,
            )
            folder = context.folder / "trials" / trial.trial_id
            folder.mkdir(parents=True)
            write_trial(folder, record)
            for name, schema in SCHEMAS.items():
                write_table(folder / name, schema.empty_table().to_pandas(), schema)
            self.made.append(record)
            finished(trial, record)
            trial = next(others, None)

    def _serve(self, trial: PlannedTrial, left_s: float) -> None:
        length_s = trial.phases.warmup_s + trial.phases.steady_s + self.around_trial_s
        self.now_s += min(length_s, left_s)
        if length_s > left_s:
            self.cut.append(trial.trial_id)
            raise TimeUp


class Silent:
    """A progress that tells nobody."""

    def begins(self, *_: object) -> None: ...
    def session_started(self, *_: object) -> None: ...
    def trial_finished(self, *_: object) -> None: ...
    def dropped(self, *_: object) -> None: ...


Run = Callable[..., list[Dropped]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs, or continues, ASKED on a machine; what was dropped, by its manifest."""
    monkeypatch.setattr(
        history_module,
        "slo_met",
        lambda trials, slo: (
            trials[0][0].level.rate_rps <= CAPACITY_RPS[trials[0][0].contender_name]
        ),
    )
    monkeypatch.setattr(history_module, "missed_in_doubt", lambda trials, slo: False)

    def start(machine: Machine, budget_s: float | None, **changes: object) -> list[Dropped]:
        monkeypatch.setattr(sessions_module, "run_session", machine.run_session)
        monkeypatch.setattr(forecast_module, "Timetable", partial(Timetable, now=machine))
        experiment = Experiment(**(ASKED | changes))  # type: ignore[arg-type]  # any field
        cores = dict.fromkeys(("server", "load"), available_cores())
        context = RunContext(
            tmp_path, experiment, Artefacts(tmp_path, tmp_path, [], {}, {}), cores, None
        )
        manifest = tmp_path / "manifest.json"
        if not manifest.exists():
            write_json(manifest, {"schema_version": SCHEMA_VERSION, "finished_at": None})
        until_s = math.inf if budget_s is None else machine.now_s + budget_s
        execute(resolve_contenders(experiment), context, Silent(), until_s)
        return [Dropped(**entry) for entry in read_json(manifest)["dropped"]]

    return start


def contenders_at(machine: Machine, purpose: str, repeat: int, rate_rps: float) -> set[str]:
    return {
        record.contender_name
        for record in machine.made
        if (record.purpose, record.repeat, record.level.rate_rps) == (purpose, repeat, rate_rps)
    }


def rates(machine: Machine, purpose: str, contender: str) -> set[float]:
    return {
        record.level.rate_rps or 0.0
        for record in machine.made
        if (record.purpose, record.contender_name) == (purpose, contender)
    }


def found_rps(machine: Machine, contender: str) -> float | None:
    probed = rates(machine, "search", contender)
    return max((rate for rate in probed if rate <= CAPACITY_RPS[contender]), default=None)


@pytest.mark.parametrize("budget_s", [60, 75, 90, 120, 150, 200, 260, 330, 390, 600])
def test_a_run_as_long_as_planned_ends_in_time_and_measures_all_or_none(
    run: Run, budget_s: float
) -> None:
    machine = Machine()
    dropped = run(machine, budget_s)
    assert machine.now_s <= budget_s
    assert machine.cut == []
    assert contenders_at(machine, "measurement", 1, 50) == set(NAMES)
    for repeat in (1, 2, 3):
        for rate_rps in (50, 25):
            assert contenders_at(machine, "measurement", repeat, rate_rps) in (set(), set(NAMES))
    for name in NAMES:
        assert found_rps(machine, name) in (None, *rates(machine, "measurement", name))
    assert bool(dropped) == (budget_s < 600)


def test_without_a_budget_everything_is_measured(run: Run) -> None:
    machine = Machine()
    assert run(machine, None) == []
    assert contenders_at(machine, "noise", 3, 25) == {"simulated-a-again"}


@pytest.mark.parametrize("usual_start_s", [15.0, 25.0])
@pytest.mark.parametrize("budget_s", [200, 300, 400])
def test_slow_starts_cost_later_blocks_and_not_the_first_comparison(
    run: Run, budget_s: float, usual_start_s: float
) -> None:
    machine = Machine(usual_start_s=usual_start_s, around_trial_s=2.5)
    run(machine, budget_s)
    assert machine.now_s <= budget_s
    assert machine.cut == []
    for repeat in (1, 2, 3):
        assert contenders_at(machine, "measurement", repeat, 50) in (set(), set(NAMES))
    assert contenders_at(machine, "measurement", 1, 50) == set(NAMES)


def test_a_quick_machine_measures_what_was_left_out_of_the_plan(run: Run) -> None:
    machine = Machine(usual_start_s=1.0, around_trial_s=0.5)
    run(machine, 240)  # planned without 25 requests/s, which it turns out to have time for
    assert contenders_at(machine, "measurement", 1, 25) == set(NAMES)
    assert machine.now_s <= 240


def test_a_contender_that_hangs_while_it_starts_is_not_started_again_at_the_cost_of_others(
    run: Run,
) -> None:
    machine = Machine(start_s={"simulated-b": math.inf})
    dropped = run(machine, 480)
    failed = [record for record in machine.made if record.status == "failed"]
    assert {record.contender_name for record in failed} == {"simulated-b"}
    assert {record.repeat for record in failed} <= {0, 1}
    assert contenders_at(machine, "measurement", 2, 50) == set(NAMES) - {"simulated-b"}
    assert any(what.contender == "simulated-b" and what.repeat == 2 for what in dropped)


def test_what_there_was_no_time_for_is_in_the_manifest(run: Run) -> None:
    dropped = run(Machine(), 60)
    named = {(what.purpose, what.repeat, what.contender) for what in dropped}
    assert ("noise", 0, None) in named
    assert ("measurement", 0, None) in named
    assert {("measurement", repeat, None) for repeat in (2, 3)} <= named
    assert ("search", 0, "simulated-b") in named
    assert any("25 rps" in what.detail for what in dropped)


def test_a_run_goes_on_with_a_new_budget_until_nothing_is_left_out(
    run: Run, tmp_path: Path
) -> None:
    made: list[str] = []
    sizes = []
    for _ in range(8):
        machine = Machine()
        dropped = run(machine, 150)
        assert machine.now_s <= 150
        made += [record.trial_id for record in machine.made]
        sizes.append(len(dropped))
        if not dropped:
            break
    assert sizes[-1] == 0
    assert len(made) == len(set(made))


def test_a_budget_smaller_than_the_searchs_own_cuts_that(run: Run) -> None:
    machine = Machine()
    only_search = {"load": LoadSpec(warmup_s=0.5, steady_s=4), "aa_test": None, "repeats": 1}
    dropped = run(machine, 100, **only_search)
    assert machine.now_s <= 100
    assert {r.contender_name for r in machine.made if r.purpose == "search"} == set(NAMES)
    assert any(what.purpose == "search" for what in dropped)


def test_extra_variants_are_measured_where_everything_else_was(run: Run) -> None:
    asked = {
        "contenders": ("null-http", "null-plain"),
        "aa_test": None,
        "capacity": None,
        "repeats": 2,
        "variants": (VariantSpec(name="null-plain", base="null-http", options={}),),
    }
    short = Machine()
    dropped = run(short, 50, **asked)
    assert {record.contender_name for record in short.made} == {"null-http"}
    assert [what.contender for what in dropped] == ["null-plain"]
    long = Machine()
    assert run(long, 500, **asked) == []
    assert {record.contender_name for record in long.made} == {"null-plain"}


def test_starts_on_a_gpu_are_planned_longer_until_they_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_gpu = {"options": {"device": "cuda"}}
    names = {"engine-fast": {}, "engine-gpu": on_gpu, "engine-later": on_gpu}
    variants = tuple(VariantSpec(name=n, base="fastapi-tuned", **w) for n, w in names.items())
    asked = ASKED | {"contenders": tuple(names), "variants": variants, "capacity": None}
    changes = {"reference": "engine-fast", "aa_test": None}
    experiment = Experiment(**(asked | changes))  # type: ignore[arg-type]  # any field
    context = RunContext(tmp_path, experiment, Artefacts(tmp_path, tmp_path, [], {}, {}), {}, None)
    contenders = resolve_contenders(experiment)

    def starts(until_s: float) -> list[float]:
        planned = forecast_module.forecast_of(contenders, context, until_s).starts()
        return [planned.of(name) for name in names]

    assert starts(until_s=math.inf) == [rounds.STARTUP_S] * 3
    on_cpu_s, on_gpu_s, _ = starts(until_s=1e9)
    assert on_gpu_s == forecast_module.CUDA_STARTUP_S > on_cpu_s
    for seen_s, later_s in ((9.0, forecast_module.CUDA_STARTUP_S), (40.0, 40.0)):
        monkeypatch.setattr(History, "starts", lambda _, s=seen_s: rounds.Starts({"engine-gpu": s}))
        assert starts(until_s=1e9)[1:] == [seen_s, later_s]
