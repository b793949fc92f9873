"""Plans and checks of predictions in the terminal, and as JSON."""

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from analysis.predict.goals import PredictionError
from analysis.predict.plan import PlanAnswer
from analysis.predict.slices import Checked
from analysis.report.planning import Planned
from analysis.report.words import plan as words
from analysis.report.words.numbers import NONE, number, percent, plain


def plan_table(found: Planned) -> RenderableType:
    """Who can, with what and at what cost; then crossovers, sensitivity and what it rests on."""
    priced = found.price_per_hour is not None
    unit = f" {found.currency}" if found.currency else ""
    columns: list[Column | str] = [
        Column("contender", no_wrap=True),
        Column("replicas", justify="right"),
        Column("used", justify="right"),
        *([Column("device busy, of best", justify="right")] if found.device else []),
        Column(f"P{found.slo.percentile:g}, ms", justify="right"),
        Column("batch", justify="right"),
        Column("headroom", justify="right"),
        "breaks first",
    ]
    if priced:
        columns += [Column(f"a million{unit}", justify="right")]
        columns += [Column(f"a month{unit}", justify="right")]
    table = Table(*columns, "known by", title=words.question(found), title_justify="left")
    for answer in found.answered.answers:
        table.add_row(*_cells(answer, found, priced))
    return Group(
        table,
        *map(Text, words.basis(found)),
        Text(""),
        Text("From which rate on", style="bold"),
        *map(Text, words.crossovers(found)),
        Text(""),
        Text("What moves the capacity of one replica (predicted)", style="bold"),
        *(
            Text(line)
            for name, each in found.answered.sensitivity.items()
            for line in words.sensitivity(name, each)
        ),
        Text(""),
        *map(Text, [*words.left_out(found), *words.caveats(found)]),
    )


def _cells(answer: PlanAnswer, found: Planned, priced: bool) -> list[str | Text]:
    label = found.answered.labels.get(answer.contender, "")
    known = words.evidence(answer, label)
    if not answer.can:
        nothing = [NONE] * (2 if priced else 0)
        why = Text(words.cannot(answer, found), style="yellow")
        unknown = [NONE] * (5 if found.device else 4)
        return [answer.contender, "cannot", *unknown, why, *nothing, known]
    latency_ms = None if answer.latency_s is None else answer.latency_s * 1000
    costs = [number(answer.cost_per_million), number(answer.cost_per_month)] if priced else []
    return [
        answer.contender,
        Text(plain(answer.replicas), style="green"),
        percent(answer.utilisation),
        *([_device_use(answer)] if found.device else []),
        number(latency_ms),
        number(answer.mean_batch),
        f"{number(answer.headroom)}x",
        words.resource(answer),
        *costs,
        known,
    ]


def _device_use(answer: PlanAnswer) -> str:
    return f"{percent(answer.device_busy)}, {percent(answer.device_share_of_best)}"


def check_table(found: Checked) -> RenderableType:
    """Every point with its prediction and its errors, and whether they are within the goals."""
    heads = ("measured", "predicted", "error")
    columns = [Column("contender", no_wrap=True), Column("at", justify="right")]
    columns += [Column("load", justify="right")]
    for what in ("answered/s", "P50, ms", "P99, ms"):
        columns += [Column(f"{what} {head}", justify="right") for head in heads]
    title = "Prediction against measurement"
    table = Table(*columns, "within goals", title=title, title_justify="left")
    for error, point in zip(found.errors, found.points, strict=True):
        metrics, predicted = point.metrics, error.predicted
        assert metrics is not None  # every usable point has them
        latencies = not (predicted.saturated or point.saturated)
        table.add_row(
            error.contender,
            f"{plain(predicted.rate_rps)}/s",
            percent(error.load),
            *_three(metrics.throughput_rps, predicted.throughput_rps, error.throughput_error),
            *_three(metrics.latency_p50_ms, predicted.p50_s * 1000, error.p50_error, latencies),
            *_three(metrics.latency_p99_ms, predicted.p99_s * 1000, error.p99_error, latencies),
            _judged(error),
        )
    labels = [Text(f"{name}: {label}") for name, label in found.labels.items()]
    return Group(table, *labels, *map(Text, words.goals(found)))


def _three(
    measured: float | None, predicted: float, error: float | None, shown: bool = True
) -> list[str]:
    signed = NONE if error is None else f"{error * 100:+.0f}\N{NO-BREAK SPACE}%"
    return [number(measured), number(predicted) if shown else NONE, signed]


def _judged(error: PredictionError) -> Text:
    if error.within_goals is None:
        return Text("no goal")
    return Text("yes", style="green") if error.within_goals else Text("no", style="yellow")
