"""Whether runs agree: one outcome for each pair of contenders, load level and figure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import permutations

from pydantic import Field

from analysis.agreement.comparable import AgreementError, check_comparable
from analysis.agreement.findings import AT_A_LEVEL, Figure, Findings, Found, Pair, figures
from analysis.compare.ablation import Change
from analysis.read.value import Value


class Outcome(StrEnum):
    """What several runs together say of one thing."""

    CONTRADICT = "contradict"
    OPEN = "open"
    AGREE = "agree"


class AaLevel(Value):
    """The A/A test of a run at one load level."""

    level: str = Field(description="Name of the load level.")
    found: dict[Figure, Found] = Field(description="The copy over the contender itself.")


class RunShown(Value):
    """One of the runs."""

    run_id: str = Field(description="Name of the run.")
    experiment: str = Field(description="Name of its experiment.")
    created_at: str = Field(description="When it began (ISO 8601).")
    machine: str = Field(description="Where it was made, and how many cores the server had.")
    commit: str | None = Field(description="Commit of the code; null: not a checkout.")
    dirty: bool | None = Field(description="True: files differed from that commit.")
    groups: list[list[str]] = Field(
        description="Contenders that were up at the same time; empty: each alone."
    )
    aa_contender: str | None = Field(description="Contender of its A/A test; null: not measured.")
    aa_levels: list[AaLevel] = Field(description="That contender against itself.")


class Within(Value):
    """Whether a run's capacity ratio lies within the interval of another run."""

    run_id: str = Field(description="The run whose ratio it is.")
    other_id: str = Field(description="The run whose interval it is.")
    within: bool = Field(description="True: it lies within.")


class Row(Value):
    """What every run says of two contenders in one figure."""

    before: str = Field(description="The earlier contender of the two.")
    after: str = Field(description="The later one; ratios are later over earlier.")
    changes: list[Change] = Field(
        description="What differs between the two; empty: no step of the ablation, but a "
        "comparison with the reference."
    )
    level: str | None = Field(description="Load level; null for capacity.")
    rate_rps: float | None = Field(description="Arrival rate; null for capacity.")
    figure: Figure = Field(description="The figure.")
    found: list[Found | None] = Field(description="Run by run; null: not measured there.")
    outcome: Outcome = Field(description="What the runs say together.")
    within: list[Within] = Field(
        description="For capacity: every run's ratio against the interval of every other."
    )


class Agreement(Value):
    """What several runs have in common, and whether they agree."""

    runs: list[RunShown] = Field(description="The runs, in the order in which they were named.")
    rows: list[Row] = Field(description="Contradictions first, then what is open.")
    n_contradict: int = Field(description="Rows on which two runs exclude each other.")
    n_open: int = Field(description="Rows on which fewer than two runs reached a verdict.")
    n_agree: int = Field(description="Rows on which all runs that reached a verdict agree.")
    n_within: int = Field(description="Capacity ratios within the interval of another run.")
    n_ratios: int = Field(description="Capacity ratios that were held against such an interval.")

    @property
    def machines(self) -> list[str]:
        """Every machine once."""
        return list(dict.fromkeys(run.machine for run in self.runs))


def agreement(runs: Sequence[Findings]) -> Agreement:
    """Sets runs side by side; AgreementError where that cannot be done."""
    check_comparable(runs)
    found = [row for pair in _pairs(runs) for row in _rows(runs, pair)]
    if not found:
        raise AgreementError(
            "expected two contenders with usable slices at a load level that the runs share, found "
            f"none in {' and '.join(run.run_id for run in runs)}: their reports say what was not "
            "usable; name others."
        )
    first = list(Outcome)
    n = Counter(row.outcome for row in found)
    checks = [check for row in found for check in row.within]
    return Agreement(
        runs=[_shown(run) for run in runs],
        rows=sorted(found, key=lambda row: first.index(row.outcome)),
        n_contradict=n[Outcome.CONTRADICT],
        n_open=n[Outcome.OPEN],
        n_agree=n[Outcome.AGREE],
        n_within=sum(check.within for check in checks),
        n_ratios=len(checks),
    )


def outcome(found: Sequence[Found | None]) -> Outcome:
    """Any two of better, worse and no material difference exclude each other: the last means
    within the least difference that matters, the others beyond it, and runs must share it."""
    verdicts = [each.verdict for each in found if each and each.reached]
    if len(verdicts) < 2:
        return Outcome.OPEN
    return Outcome.AGREE if len(set(verdicts)) == 1 else Outcome.CONTRADICT


def within(run_ids: Sequence[str], found: Sequence[Found | None]) -> list[Within]:
    """Every run's ratio against the interval of every other, where both have them."""
    known = [(run_id, each) for run_id, each in zip(run_ids, found, strict=True) if each]
    return [
        Within(run_id=run_id, other_id=other_id, within=other.low <= own.ratio <= other.high)
        for (run_id, own), (other_id, other) in permutations(known, 2)
        if own.ratio is not None and other.low is not None and other.high is not None
    ]


def _pairs(runs: Sequence[Findings]) -> list[Pair]:
    """The steps of every run's ablation, then every contender against each run's reference; only
    what two runs can tell."""
    steps = [step for run in runs for step in run.steps]
    compared = [
        Pair(run.manifest.experiment.reference, name)
        for run in runs
        for name in run.contenders
        if name != run.manifest.experiment.reference
    ]
    return [
        pair
        for pair in dict.fromkeys([*steps, *compared])
        if sum(set(pair) <= run.contenders.keys() for run in runs) > 1
    ]


def _rows(runs: Sequence[Findings], pair: Pair) -> Iterator[Row]:
    def row(
        figure: Figure,
        found: list[Found | None],
        level: str | None = None,
        rate_rps: float | None = None,
    ) -> Row:
        return Row(
            before=pair.before,
            after=pair.after,
            changes=next((list(run.steps[pair]) for run in runs if pair in run.steps), []),
            level=level,
            rate_rps=rate_rps,
            figure=figure,
            found=found,
            outcome=outcome(found),
            within=within([run.run_id for run in runs], found) if figure is Figure.CAPACITY else [],
        )

    levels = {rate: name for run in runs for rate, name in run.levels(pair).items()}
    for rate_rps, level in sorted(levels.items()):
        known = [run.at(pair, level) for run in runs]
        if sum(map(bool, known)) > 1:
            for figure in AT_A_LEVEL:
                yield row(figure, [each.get(figure) for each in known], level, rate_rps)
    capacities = [run.capacity(pair) for run in runs]
    if sum(each is not None for each in capacities) > 1:
        yield row(Figure.CAPACITY, capacities)


def _shown(run: Findings) -> RunShown:
    manifest, floor = run.manifest, run.noise_floor
    n_cores = len(manifest.cores.get("server", ()))
    return RunShown(
        run_id=run.run_id,
        experiment=manifest.experiment.name,
        created_at=manifest.created_at,
        machine=f"{manifest.machine}; server on {n_cores} core{'' if n_cores == 1 else 's'}",
        commit=manifest.git.commit,
        dirty=manifest.git.dirty,
        groups=manifest.groups,
        aa_contender=floor.contender if floor else None,
        aa_levels=[
            AaLevel(level=each.level, found=figures(each.ratios))
            for each in (floor.levels if floor else [])
        ],
    )
