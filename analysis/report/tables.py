"""A summary arranged for its readers: what stands together in a table of the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from analysis.capacity.certified import Capacity
from analysis.capacity.load_points import Point
from analysis.compare.ratios import CapacityRatio, Comparison, Saturation
from analysis.decide.at_rate import Needs
from analysis.report.summary import Summary
from analysis.report.words import certificates, numbers
from analysis.validity.certificate import Check, CheckOutcome
from analysis.validity.reasons import Reason
from analysis.validity.trials import TrialResult
from loadtests.records.experiment import Experiment, Slo


@dataclass(frozen=True)
class Group:
    """The points of one load level, contenders side by side."""

    level: str
    title: str
    points: list[Point]

    @property
    def planned(self) -> bool:
        """False: only the capacity search tried it."""
        return any(point.planned for point in self.points)


@dataclass(frozen=True)
class SloCapacities:
    """Every contender's capacity for one SLO."""

    slo: Slo
    capacities: list[Capacity]


@dataclass(frozen=True)
class Issue:
    """What was found for one reason of one contender, or of several where it is the same: each
    sentence with the load levels at which it holds."""

    contenders: list[str]
    reason: Reason
    found: dict[str, list[str]]


@dataclass(frozen=True)
class Tally:
    """How one check came out over the trials of a contender."""

    n_failed: int
    n_judged: int

    def __str__(self) -> str:
        if not self.n_judged:
            return "·"
        return f"✗ {self.n_failed}/{self.n_judged}" if self.n_failed else "✓"


@dataclass(frozen=True)
class Certificates:
    """The certificates of one contender's trials, in the order they ran."""

    contender: str
    trials: list[TrialResult]

    @property
    def n_usable(self) -> int:
        return sum(trial.usable for trial in self.trials)

    def tally(self, reason: Reason) -> Tally:
        checks = [found for trial in self.trials if (found := check_of(trial, reason))]
        return Tally(
            n_failed=sum(check.outcome is CheckOutcome.FAILED for check in checks),
            n_judged=sum(check.outcome is not CheckOutcome.NOT_APPLICABLE for check in checks),
        )


@dataclass(frozen=True)
class GlanceRow:
    """What a reader needs first of one contender."""

    capacity: Capacity
    point: Point | None
    most: Saturation | None
    needs: Needs | None


@dataclass(frozen=True)
class Glance:
    """One row a contender; the points are those at rate_rps."""

    rate_rps: float | None
    rows: list[GlanceRow]


@dataclass(frozen=True)
class GpuColumn:
    """A figure of the GPU that some trial has: its field of Metrics, its heading (| breaks it), and
    the function of analysis.report.words.numbers that writes it. number False: shares by name."""

    field: str
    title: str
    worded: str = "number"
    number: bool = True


GPU_COLUMNS = (
    GpuColumn("gpu_busy_ratio", "GPU time|busy", "percent"),
    GpuColumn("gpu_sm_active_ratio", "GPU SM|active", "percent"),
    GpuColumn("gpu_tensor_active_ratio", "tensor|active", "percent"),
    GpuColumn("gpu_memory_bytes", "memory|MiB", "mebibytes"),
    GpuColumn("gpu_power_w", "power|W"),
    GpuColumn("gpu_energy_j_per_1000_requests", "energy J|per 1,000"),
    GpuColumn("gpu_sm_clock_min_mhz", "SM MHz,|least"),
    GpuColumn("gpu_sm_clock_median_mhz", "SM MHz,|median"),
    GpuColumn("gpu_clock_events", "throttle reasons", number=False),
)


def gpu_columns(points: Sequence[Point]) -> list[GpuColumn]:
    """The figures of the GPU that any point has; none without a GPU."""
    measured = [point.metrics for point in points if point.metrics]
    return [
        column
        for column in GPU_COLUMNS
        if any(getattr(metrics, column.field) is not None for metrics in measured)
    ]


def groups(points: Sequence[Point]) -> list[Group]:
    """Points by load level, levels in ascending order of load."""
    ordered = sorted(points, key=lambda p: (p.mode == "closed", p.rate_rps or p.concurrency or 0))
    levels = dict.fromkeys(point.level for point in ordered)
    return [_group([p for p in ordered if p.level == level]) for level in levels]


def _group(points: list[Point]) -> Group:
    title = f"{numbers.level(points[0].level)}, {points[0].mode} loop"
    return Group(points[0].level, title, points)


def capacities_by_slo(capacities: Sequence[Capacity]) -> list[SloCapacities]:
    """Capacities grouped by their SLO, in the order given (the main SLO first)."""
    return [SloCapacities(slo, list(same)) for slo, same in groupby(capacities, lambda c: c.slo)]


def over_reference(summary: Summary, capacity: Capacity) -> CapacityRatio | None:
    """Its ratio to the reference's; None: it is the reference's, or that has none."""
    same = (r for r in summary.capacity_ratios if r.contender == capacity.contender)
    return next((ratio for ratio in same if ratio.slo == capacity.slo), None)


def issues(points: Sequence[Point]) -> list[Issue]:
    """Failed checks by reason and contender, what makes unusable first; contenders of which one
    sentence says the same stand together."""
    by_contender: dict[tuple[Reason, str], dict[str, list[str]]] = {}
    for point in points:
        for check in point.findings:
            found = by_contender.setdefault((check.reason, point.contender), {})
            levels = found.setdefault(certificates.found(check), [])
            if point.level not in levels:
                levels.append(point.level)
    merged: dict[tuple[Reason, str], Issue] = {}
    for (reason, contender), found in by_contender.items():
        sentence = next(iter(found)) if len(found) == 1 else contender
        same = merged.setdefault((reason, sentence), Issue([], reason, {}))
        same.contenders.append(contender)
        for text, levels in found.items():
            known = same.found.setdefault(text, [])
            known += [level for level in levels if level not in known]
    by_reason = sorted(merged.values(), key=lambda issue: list(Reason).index(issue.reason))
    return sorted(by_reason, key=lambda issue: not issue.reason.unusable)


def certificates_by_contender(summary: Summary) -> list[Certificates]:
    """The certificates of each contender, those compared first."""
    tried = [trial.contender for trial in summary.trials]
    names = dict.fromkeys([*summary.manifest.experiment.contenders, *tried])
    own = {name: [t for t in summary.trials if t.contender == name] for name in names}
    return [Certificates(name, trials) for name, trials in own.items() if trials]


def judged(trials: Sequence[TrialResult]) -> list[Reason]:
    """The reasons judged on any of the trials, in the order of the fullest certificate."""
    fullest_first = sorted(trials, key=lambda trial: -len(trial.certificate))
    return list(dict.fromkeys(c.reason for trial in fullest_first for c in trial.certificate))


def check_of(trial: TrialResult, reason: Reason) -> Check | None:
    return next((check for check in trial.certificate if check.reason is reason), None)


def by_level(comparisons: Sequence[Comparison]) -> dict[str, list[Comparison]]:
    """Comparisons by load level, levels ascending."""
    ordered = sorted(comparisons, key=lambda comparison: comparison.rate_rps)
    levels = dict.fromkeys(comparison.level for comparison in ordered)
    return {level: [c for c in ordered if c.level == level] for level in levels}


def glance(summary: Summary) -> Glance | None:
    """The table below the first figure: one row a contender, latency and CPU at the common rate at
    which most contenders may be compared. None where no capacity was looked for."""
    experiment = summary.manifest.experiment
    main = [c for c in summary.capacities if c.slo == experiment.slo]
    at = {(point.contender, point.rate_rps): point for point in summary.points}
    rate_rps = common_rate(summary.points, experiment)
    most = {found.contender: found for found in summary.saturation}
    decision = summary.recommendation.decision
    needs = {each.contender: each for each in (decision.needs if decision else ())}
    rows = [
        GlanceRow(c, at.get((c.contender, rate_rps)), most.get(c.contender), needs.get(c.contender))
        for c in main
    ]
    return Glance(rate_rps, rows) if rows else None


def common_rate(points: Sequence[Point], experiment: Experiment) -> float | None:
    """The common arrival rate at which most contenders kept up, the highest of several."""
    kept_up = [
        point.rate_rps
        for point in points
        if point.rate_rps in experiment.load.rates_rps and point.metrics and not point.saturated
    ]
    rates = experiment.load.rates_rps
    return max(rates, key=lambda rate_rps: (kept_up.count(rate_rps), rate_rps), default=None)


def timed_points(summary: Summary) -> list[Point]:
    """The usable points at the common rate whose contender says where its time went."""
    rate_rps = common_rate(summary.points, summary.manifest.experiment)
    return [point for point in summary.points if point.rate_rps == rate_rps and _timed(point)]


def timed_groups(points: Sequence[Point]) -> list[Group]:
    """The same of all planned rates."""
    return groups([point for point in points if point.planned and _timed(point)])


def _timed(point: Point) -> bool:
    return bool(point.usable and point.metrics and point.metrics.server_time)


def has_intervals(summary: Summary) -> bool:
    """Whether any point states the interval of its P99."""
    return any(getattr(point, "p99_low_ms", None) is not None for point in summary.points)


def has_lower_bounds(summary: Summary) -> bool:
    """Whether any point states a P99 that is a lower bound."""
    return any(p.usable and Reason.SLICES_TOO_SHORT in p.reasons for p in summary.points)


def widest_gap(summary: Summary) -> Point | None:
    """The usable point at which counting from the time of sending would hide the most."""
    known = [
        (point.metrics.omission_gap_p99_ms, i, point)
        for i, point in enumerate(summary.points)
        if point.usable and point.metrics and point.metrics.omission_gap_p99_ms is not None
    ]
    return max(known)[2] if known else None
