"""The page of one measurement of co-location, in Markdown."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.colocation.gpu import GpuUse
from analysis.colocation.losses import Colocation, Loss, colocation
from analysis.colocation.record import read_colocation
from loadtests.records.atomic import replacing
from loadtests.records.markdown import inline, provenance, table
from loadtests.records.shares import percent

_HEAD = (
    *("model", "beside", "alone rps", "together rps", "loses", "95 % interval"),
    *("P50 alone ms", "together ms", "P99 alone ms", "together ms"),
)
_GPU_HEAD = ("driven", "time busy", "SM active", "tensor active", "power W", "memory GiB")

NOTES = (
    "All three models are loaded in every measurement; *alone* means that the others are idle.",
    "Closed loop: every model has the same number of callers, alone and together; each asks again "
    "as soon as it is answered. A loss is one of rate, and service times rise with it (Little's "
    "law). A device that is busy and shared evenly leaves each of two models half of its rate, and "
    "each of three a third; losing less means that a model alone left part of the device idle.",
    "Intervals (95 %): bootstrap over blocks, and over time within them. P50 and P99 are service "
    "times (done minus sent) over all blocks; a P99 is stated from 1,000 successes on.",
    "Every model runs in a process of its own (Triton's Python backend). On a GPU such processes "
    "take turns unless NVIDIA's Multi-Process Service runs; the models of Triton's native backends "
    "live in one process and may run at the same time.",
)


def write_page(folder: Path) -> Path:
    """colocation.md beside colocation.json; RecordError where folder holds no such measurement."""
    record = read_colocation(folder)
    page = folder / "colocation.md"
    text = markdown(record, colocation(folder))
    with replacing(page) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return page


def markdown(record: Mapping[str, Any], found: Colocation) -> str:
    """The page; record is what colocation.json holds."""
    gpu = [table(_GPU_HEAD, map(_gpu_row, found.gpu), 1), ""] if found.gpu else []
    lines = [
        "# One Triton, three models: what each loses beside the others",
        "",
        *provenance(record),
        *_settings(record),
        "",
        *(table(_HEAD, map(_row, found.losses), 2), ""),
        *gpu,
        *(f"- **Warning:** {warning}" for warning in found.warnings),
        *(f"- {note}" for note in NOTES),
        f"- {_compared(found)}",
    ]
    return "\n".join(lines) + "\n"


def _settings(record: Mapping[str, Any]) -> list[str]:
    classifier, settings = record["contender"], record["settings"]
    return [
        f"- classifier: {inline(record['model']['name'])} "
        f"({inline(record['model']['weights'])} weights) by {inline(classifier['engine'])}, "
        f"{settings['precision']} on {settings['device']}.",
        *(
            _colocated_model(fact, settings["colocated_models"])
            for fact in record["colocated_models"]
        ),
        f"- {settings['callers']} callers a model, {settings['seconds']:g} s a measurement, "
        f"{settings['repeats']} block{'s' if settings['repeats'] > 1 else ''}.",
    ]


def _colocated_model(fact: Mapping[str, Any], size: str) -> str:
    full = {"vision": "the size of ResNet-50", "recommender": "DeepFM on the Criteo layout"}
    what = full[fact["model"]] if size == "full" else "smaller than the real one"
    return (
        f"- {fact['model']}: {what}, {fact['weights']:,} weights, {inline(fact['precision'])} on "
        f"{inline(fact['device'])} by PyTorch. Seeded weights: speed only, its answers mean "
        "nothing."
    )


def _row(loss: Loss) -> list[str]:
    alone, together = loss.alone, loss.together
    beside = " + ".join(model for model in together.group if model != together.model)
    bounds = "not stated"
    if loss.low is not None and loss.high is not None:
        bounds = f"{percent(loss.low)} to {percent(loss.high)}"
    return [
        *(together.model, beside, f"{alone.rate_rps:,.1f}", f"{together.rate_rps:,.1f}"),
        *("–" if loss.loss is None else percent(loss.loss), bounds),
        *(_ms(alone.service_p50_ms), _ms(together.service_p50_ms)),
        *(_ms(alone.service_p99_ms), _ms(together.service_p99_ms)),
    ]


def _ms(value: float | None) -> str:
    return "not stated" if value is None else f"{value:.1f}"


def _gpu_row(use: GpuUse) -> list[str]:
    gib = None if use.memory_bytes is None else use.memory_bytes / 2**30
    return [
        " + ".join(use.group),
        "–" if use.busy_ratio is None else percent(use.busy_ratio),
        "–" if use.sm_active_ratio is None else percent(use.sm_active_ratio),
        "–" if use.tensor_active_ratio is None else percent(use.tensor_active_ratio),
        "–" if use.power_w is None else f"{use.power_w:.0f}",
        "–" if gib is None else f"{gib:.1f}",
    ]


def _compared(found: Colocation) -> str:
    loads = {(load.model, load.group): load for x in found.losses for load in (x.alone, x.together)}
    n = sum(load.n_compared for load in loads.values())
    gaps = [load.largest_gap for load in loads.values() if load.largest_gap is not None]
    largest = f"; they differ by at most {max(gaps):.2g} of the mean" if gaps else ""
    return f"{n:,} answers during the loads were compared with those before them{largest}."
