"""What the run of a generation says of each configuration in it, and of what one option changed."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from pydantic import Field

from analysis.capacity.certified import Capacity, capacities
from analysis.capacity.load_points import Point, points
from analysis.compare.aa_test import margins, noise_floor
from analysis.compare.intervals import Metric
from analysis.compare.ratios import CapacityRatio, capacity_ratio
from analysis.compare.verdicts import Ratio, Repeats
from analysis.read.run import Run, load_run
from analysis.read.value import Value
from analysis.report.words.certificates import found
from analysis.validity.trials import ceilings, judge_trials
from loadtests.records.trials import Level
from loadtests.records.tuning import Judged, Limits, Score, Settings, SettingValue, Tuning, changed


class Configuration(Value):
    """A configuration as it was measured in one run."""

    name: str = Field(description="Its name in the runs of the search.")
    settings: dict[str, SettingValue] = Field(description="Every option that is searched.")
    certified_rps: float | None = Field(description="Capacity that is certified; null: none.")
    met_rps: float | None = Field(description="Highest rate measured as met; null: none.")
    estimate_rps: float | None = Field(description="Capacity as estimated; null: not known.")
    p50_ms: float | None = Field(description="P50 of latency at the low rate; null: not known.")
    memory_mib: float | None = Field(description="Largest memory of its processes.")
    beyond: list[str] = Field(description="The limits that it exceeds; empty: none.")
    problem: str = Field(description="Why it cannot be compared; empty: it can.")

    @property
    def in_play(self) -> bool:
        """Whether it may be chosen."""
        return not self.beyond and not self.problem


class Compared(Value):
    """A configuration over another that was up beside it."""

    capacity: CapacityRatio = Field(description="Its capacity over the other's.")
    p50: Ratio | None = Field(description="Its P50 over the other's; null: no common round.")


class Candidate(Configuration, Compared):
    """A configuration and how it compares with the default."""

    changes: dict[str, SettingValue] = Field(description="What differs from the default.")


class Effect(Compared):
    """What one option did: two configurations of a run that differ in nothing else."""

    option: str = Field(description="The option that differs.")
    before: SettingValue = Field(
        description="Its value in the other one; the default's, if one is."
    )
    after: SettingValue = Field(description="Its value in this one.")
    beside: dict[str, SettingValue] = Field(
        description="What else differs from the default, in both; empty: one is the default."
    )
    generation: str = Field(description="The generation in which both were measured.")


class Generation(Value):
    """One run of a search."""

    name: str = Field(description="Name of the generation.")
    run_id: str = Field(description="Name of its run.")
    default: Configuration = Field(description="The contender as it is.")
    candidates: list[Candidate] = Field(description="Those measured beside it.")
    effects: list[Effect] = Field(description="What single options did.")
    again: Ratio | None = Field(
        description="P50 of the default over itself, started a second time; null: not measured."
    )


def judge(run_dir: Path, tuning: Tuning) -> Judged:
    """What the search learns of a run."""
    generation = read_generation(run_dir, tuning)
    default, scores = generation.default, {c.name: _score(c) for c in generation.candidates}
    may_play = [each for each in generation.candidates if each.met_rps and not each.beyond]
    return Judged(
        scores,
        default.estimate_rps or default.met_rps,
        frozenset(each.name for each in may_play if not scores[each.name]),
    )


def read_generation(run_dir: Path, tuning: Tuning) -> Generation:
    """RecordError, in one sentence, where the run is damaged or has measured nothing."""
    return _Reading(load_run(run_dir), tuning).generation()


def _score(candidate: Candidate) -> Score | None:
    """A bound stands for a ratio of which no more is known; None: one of the two is not known."""
    capacity, p50 = candidate.capacity, candidate.p50
    bounds = (capacity.ratio, capacity.low, capacity.high)
    ratio = next((each for each in bounds if each is not None), None)
    if candidate.problem or ratio is None or p50 is None or p50.ratio is None:
        return None
    return Score(ratio, p50.ratio, allowed=not candidate.beyond)


class _Reading:
    """The rows of a run, judged once."""

    def __init__(self, run: Run, tuning: Tuning) -> None:
        self._run, self._tuning = run, tuning
        self._experiment = run.manifest.experiment.model_copy(update={"more_slos": ()})
        judged = judge_trials(run, ceilings(run))
        self._repeats = Repeats(judged, self._experiment)
        self._floor = noise_floor(self._repeats, self._experiment)
        self._level = Level("open", rate_rps=tuning.low_rps).label
        self._capacities = {c.contender: c for c in capacities(judged, self._experiment)}
        found_points = points(judged, run.manifest, {})
        self._low = {p.contender: p for p in found_points if p.level == self._level}
        self._memory = _memory_mib(found_points)
        self._settings = _settings_of(run, tuning)

    def generation(self) -> Generation:
        names = [name for name in self._experiment.contenders if name in self._settings]
        default = self._experiment.reference
        others = [name for name in names if name != default]
        sound = [name for name in names if not self._measured(name)["problem"]]
        effects = [self._effect(one, other) for one, other in combinations(sound, 2)]
        return Generation(
            name=self._experiment.name,
            run_id=self._run.manifest.run_id,
            default=Configuration.model_validate(self._measured(default)),
            candidates=[self._candidate(name) for name in others],
            effects=[each for each in effects if each],
            again=self._again(),
        )

    def _candidate(self, name: str) -> Candidate:
        changes = changed(self._settings[name], self._tuning.default)
        compared = self._compared(self._experiment.reference, name)
        return Candidate.model_validate(
            {**self._measured(name), "changes": changes, **dict(compared)}
        )

    def _measured(self, name: str) -> Mapping[str, object]:
        capacity, point = self._capacities[name], self._low.get(name)
        p50_ms = point.metrics.latency_p50_ms if point and point.metrics else None
        memory_mib = self._memory.get(name)
        return {
            "name": name,
            "settings": dict(self._settings.get(name, self._tuning.default)),
            "certified_rps": capacity.certified_rps,
            "met_rps": capacity.met_rps,
            "estimate_rps": capacity.estimate_rps,
            "p50_ms": p50_ms,
            "memory_mib": memory_mib,
            "beyond": beyond(self._tuning.limits, p50_ms, memory_mib),
            "problem": _problem(capacity, point),
        }

    def _effect(self, one: str, other: str) -> Effect | None:
        """Of one option, where it is all in which two configurations differ; from the default's
        value where one of them has it, else from the one that is listed earlier."""
        default = self._tuning.default
        a, b = self._settings[one], self._settings[other]
        differing = [option for option in default if a[option] != b[option]]
        if len(differing) != 1:
            return None
        (option,) = differing
        listed = self._tuning.space[option]

        def place(settings: Settings) -> tuple[bool, int]:
            return settings[option] != default[option], listed.index(settings[option])

        if place(b) < place(a):
            one, other, a, b = other, one, b, a
        kept = {name: value for name, value in changed(b, default).items() if name != option}
        compared = self._compared(one, other)
        return Effect(
            option=option,
            before=a[option],
            after=b[option],
            beside=kept,
            generation=self._experiment.name,
            capacity=compared.capacity,
            p50=compared.p50,
        )

    def _again(self) -> Ratio | None:
        levels = self._floor.levels if self._floor else []
        return next((each.of(Metric.P50) for each in levels if each.level == self._level), None)

    def _compared(self, before: str, after: str) -> Compared:
        least = self._experiment.min_difference
        ratios = self._repeats.compare(
            before, after, self._level, margins(self._floor, self._level, least)
        )
        return Compared(
            capacity=capacity_ratio(
                self._capacities[after],
                self._capacities[before],
                self._experiment.least_capacity_difference,
            ),
            p50=next((each for each in ratios if each.metric is Metric.P50), None),
        )


def beyond(limits: Limits, p50_ms: float | None, memory_mib: float | None) -> list[str]:
    """The limits that figures exceed, in words."""
    figures = (
        ("P50", p50_ms, limits.p50_ms, "ms"),
        ("memory", memory_mib, limits.memory_mib, "MiB"),
    )
    return [
        f"{name} {value:.3g} {unit}, at most {most:g} asked"
        for name, value, most, unit in figures
        if value is not None and most is not None and value > most
    ]


def _problem(capacity: Capacity, point: Point | None) -> str:
    if point is None or not point.usable:
        reasons = [found(each) for each in point.findings] if point else []
        return "; ".join(dict.fromkeys(reasons)) or "not measured at the low rate"
    if capacity.estimate is None and capacity.certified_rps is None:
        return "its capacity is not known: too few slices, or every rate missed the SLO"
    return ""


def _memory_mib(found_points: Sequence[Point]) -> dict[str, float]:
    largest: dict[str, float] = {}
    for point in found_points:
        peak_bytes = point.metrics.server_peak_rss_bytes if point.metrics else None
        if peak_bytes is not None:
            largest[point.contender] = max(largest.get(point.contender, 0.0), peak_bytes / 2**20)
    return largest


def _settings_of(run: Run, tuning: Tuning) -> dict[str, Settings]:
    """By contender that has a trial: its values of the options that are searched."""
    found_settings: dict[str, Settings] = {}
    for trial in run.having("measurement", "search"):
        options = trial.record.contender.get("options") or {}
        found_settings[trial.record.contender_name] = {
            name: options.get(name, value) for name, value in tuning.default.items()
        }
    return found_settings
