"""What the page shows, from what is known: plain values for JSON. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from typing import Protocol as Interface

from loadtests.live.watch import ServerSide

MIB = 2**20


@dataclass(frozen=True)
class Shown:
    """A contender as it stands: state is ready, starting or down; why says more of the last."""

    name: str
    protocol: str
    summary: str
    state: str
    why: str = ""
    server: ServerSide = field(default_factory=ServerSide)


class Contenders(Interface):
    def all(self) -> Sequence[Shown]: ...
    def where(self) -> Mapping[str, tuple[str, int] | None]: ...
    @property
    def gpu(self) -> Callable[[], str]: ...


@dataclass(frozen=True)
class SliceShown:
    """What the last slice of a contender showed in a comparison."""

    offered_rps: float | None
    answered_rps: float | None
    failed_ratio: float | None
    p50_ms: float | None
    p99_ms: float | None
    n_answered: int
    server: ServerSide


@dataclass
class Work:
    """The measurement that runs, or ended last. running: what it is; empty: none. left_s: as the
    run expects. table: the study's, so far or final. kept: whether there is a run to save."""

    running: str = ""
    said: str = ""
    left_s: float | None = None
    slices: dict[str, SliceShown] = field(default_factory=dict)
    table: Mapping[str, Any] | None = None
    stopping: bool = False
    kept: bool = False
    saved: str = ""


def page(
    contenders: Sequence[Shown], live: Mapping[str, Any], work: Work, now_s: float
) -> dict[str, Any]:
    figures = live.get("figures") or {}
    rows = [_row(each, figures.get(each.name), work) for each in contenders]
    return {
        "at_s": now_s,
        "rows": rows,
        "source": _source(live, work),
        "live": {"running": bool(live.get("running")), "users": live.get("users", 0)},
        "work": {
            "running": work.running,
            "said": work.said,
            "left_s": work.left_s,
            "table": work.table,
            "kept": work.kept,
            "saved": work.saved,
        },
    }


def _source(live: Mapping[str, Any], work: Work) -> str:
    if work.running or work.slices:
        return "the last slice of each, alone under load"
    if live.get("running"):
        return "the last 5 seconds, all under load at once"
    return "no load"


def _row(shown: Shown, live: Mapping[str, Any] | None, work: Work) -> dict[str, Any]:
    last = work.slices.get(shown.name)
    load = asdict(last) if last else (live or {})
    server = last.server if last else shown.server
    # A percentile of few requests jumps about: their number stands beside it.
    row = {
        "name": shown.name,
        "protocol": shown.protocol,
        "summary": shown.summary,
        "state": shown.state,
        "why": shown.why,
        "offered_rps": load.get("offered_rps"),
        "answered_rps": load.get("answered_rps"),
        "failed_ratio": load.get("failed_ratio"),
        "p50_ms": load.get("p50_ms"),
        "p99_ms": load.get("p99_ms"),
        "n_answered": load.get("n_answered", 0),
        "mean_batch": server.mean_batch,
        "queue_ms": server.queue_ms,
        "compute_ms": server.compute_ms,
        "cpu_cores": server.cpu_cores,
        "rss_mib": None if server.rss_bytes is None else server.rss_bytes / MIB,
    }
    keys = ("answered_rps", "p50_ms", "p99_ms", "cpu_cores")
    return {**row, "chart": [row[key] for key in keys]}
