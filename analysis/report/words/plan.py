"""Plans, crossovers and checks of predictions, in words."""

from collections.abc import Sequence

from analysis.predict.plan import PlanAnswer
from analysis.predict.sensitivity import Sensitivity
from analysis.predict.slices import Checked
from analysis.predict.winner_map import RATES_RPS, Crossover
from analysis.report.planning import Planned
from analysis.report.words.codes import listed, said
from analysis.report.words.numbers import exact_percent, number, plain
from analysis.report.words.predicted import sizes_of_errors, within_goals


def evidence(answer: PlanAnswer, label: str) -> str:
    """Where the figures of one replica come from."""
    if label:
        how = "measured" if answer.by_measurement else "predicted"
        return f"{label}; {how}"
    if not answer.by_measurement:
        return "predicted"
    return "measured" if answer.measured else "measured, one replica"


def question(found: Planned) -> str:
    """For 500 requests/s, growing 2x, with 1 replica down: P99 at most 50 ms."""
    growth = f" times {plain(found.growth)}" if found.growth != 1 else ""
    down = f", with {found.survive} of the replicas down" if found.survive else ""
    return f"For {plain(found.rate_rps)} requests/s{growth}{down}: {found.slo}"


def basis(found: Planned) -> list[str]:
    """What the figures rest on."""
    run = f"{found.run_id} ({cpu(found)})"
    if not found.device:
        alone = found.engines_from or found.run_id
        return [f"Device and costs of the servers: the run {run}; engines alone: {alone}."]
    return [
        f"One for each replica: {found.device}. Nothing of it was measured with this plan.",
        f"Costs of the servers on the CPU: the run {found.run_id} ({found.cpu}); "
        f"{cores(found.cores)} for the server of each replica.",
    ]


def cpu(found: Planned) -> str:
    return f"{found.cpu}, {cores(found.run_cores)} for the server"


def cores(n: int) -> str:
    return "1 core" if n == 1 else f"{n} cores"


def cannot(answer: PlanAnswer, found: Planned) -> str:
    """Why a contender cannot."""
    if answer.capacity_rps is not None:
        return "needs more replicas than are planned with"
    at_best = number(answer.lowest_s * 1000)
    return f"its lowest P{found.slo.percentile:g} is {at_best} ms"


def crossovers(found: Planned) -> list[str]:
    """From which rate FastAPI with a pass for each request no longer does."""
    lines = [crossover(each) for each in found.answered.crossovers]
    return lines or [
        "No FastAPI that runs each request alone meets the SLO, or nothing else is there."
    ]


def crossover(each: Crossover) -> str:
    if each.rate_rps is None:
        return (
            f"{each.contender} needs no more replicas than any contender that batches, up to "
            f"{plain(RATES_RPS[-1])} requests/s."
        )
    low, high = _rounded(each.low_rps), _rounded(each.high_rps)
    between = f"{low} to {high}" if each.high_rps is not None else f"from {low}, no upper end"
    return (
        f"{each.contender} needs more replicas than {each.other} from {_rounded(each.rate_rps)} "
        f"requests/s on ({between}, if both capacities are off by {exact_percent(each.error)})."
    )


def sensitivity(contender: str, found: Sequence[Sensitivity]) -> list[str]:
    """How the capacity of one replica moves, one line for each thing that may differ."""
    as_it_is, *changed = found
    lines = [f"{contender}: one replica is predicted to take {_capacity(as_it_is)} as it is;"]
    for what, values in _grouped(changed).items():
        parts = [f"{_capacity(each)} {_changed(each)}" for each in values]
        lines.append(f"  {_THINGS[what]}: {listed(parts)}")
    return lines


def left_out(found: Planned) -> list[str]:
    lines = [f"Left out: {reason}" for reason in found.left_out.values()]
    for name, others in found.answered.stands_for.items():
        lines.append(f"{name} stands for {listed(others)}, which differ in the engine only.")
    return lines


def caveats(found: Planned) -> list[str]:
    """What a reader must know of these figures."""
    lines = ["Arrivals are taken as Poisson, and as spread over the replicas at random."]
    if any(not answer.by_measurement for answer in found.answered.answers if answer.can):
        lines.append(
            "How far predictions are off: `study plan --check RUN`, and docs/prediction.md."
        )
    if found.cores > found.run_cores:
        lines.append(
            f"The servers' costs were measured on {cores(found.run_cores)}. Triton's front is "
            "taken to use all of more, but its tokenizer is one process: its rates are upper "
            "bounds."
        )
    return lines


def goals(found: Checked) -> list[str]:
    """How many points are within the goals, and by what the errors were found."""
    judged = [each for each in found.errors if each.within_goals is not None]
    within = sum(each.within_goals is True for each in judged)
    costs = (
        "Costs of the servers come from loads of the same run: this is no prediction of a run not "
        "seen, and the P50 at light load is fitted."
        if found.own_costs
        else "Costs of the servers come from another run."
    )
    return [
        within_goals(within, len(judged)),
        *sizes_of_errors(found.errors),
        _within_intervals(found),
        costs,
        "Predictions replay the arrivals of the very slices: their noise is not in the errors.",
        f"Points not shown, because they are not valid or not modelled: {found.n_unused}.",
    ]


def _within_intervals(found: Checked) -> str:
    """A P99 of seconds is known within an interval only, often without an upper end."""
    pairs = [
        (error.predicted.p99_s * 1000, point)
        for error, point in zip(found.errors, found.points, strict=True)
        if error.p99_error is not None and point.p99_low_ms is not None
    ]
    inside = sum(
        (point.p99_low_ms or 0.0) <= p99_ms <= (point.p99_high_ms or float("inf"))
        for p99_ms, point in pairs
    )
    return (
        f"Of {len(pairs)} measured P99s, the prediction lies within the 95 % interval of {inside}: "
        "many of these have no upper end."
    )


_THINGS = {
    "text length": "texts",
    "queue delay (s)": "queue delay",
    "variation of gaps": "arrivals",
}


def _grouped(found: Sequence[Sensitivity]) -> dict[str, list[Sensitivity]]:
    groups: dict[str, list[Sensitivity]] = {}
    for each in found:
        groups.setdefault(each.what, []).append(each)
    return groups


def _changed(each: Sensitivity) -> str:
    if each.what == "text length":
        return "half as long" if each.value < 1 else f"{plain(each.value)} times as long"
    if each.what == "queue delay (s)":
        return f"with {plain(each.value * 1000)} ms"
    return "evenly spaced" if each.value == 0 else f"bunched (gaps vary {plain(each.value)}x)"


def _capacity(each: Sensitivity) -> str:
    return "no rate" if each.capacity_rps is None else f"{_rounded(each.capacity_rps)}/s"


def _rounded(rate_rps: float | None) -> str:
    """Three digits, which is more than a prediction knows."""
    if rate_rps is None:
        return "none"
    return f"{float(f'{rate_rps:.3g}'):,.10g}"


def resource(answer: PlanAnswer) -> str:
    return said(answer.breaks_first) if answer.breaks_first else "not known"
