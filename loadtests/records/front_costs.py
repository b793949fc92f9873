"""front_costs.json: what servers of a run spend beside the pass, fitted once from its loads."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from loadtests.records.stored import Amount, Name, read_stored
from loadtests.records.trials import write_stored

FRONT_COSTS_FILE = "front_costs.json"


@dataclass(frozen=True)
class FrontCosts:
    """A contender as it was set up, and its costs: those of analysis.predict.values.Front."""

    name: Name
    server: str
    protocol: str
    engine: str
    setting: str
    options: Mapping[str, str]
    front_cpu_s: Amount
    hop_cpu_s: Amount
    cold_cpu_s: Amount
    overhead_s: Amount


@dataclass(frozen=True)
class RunCosts:
    """run_id: of the run whose loads they were fitted from."""

    run_id: Name
    fronts: tuple[FrontCosts, ...]


def write_front_costs(run_dir: Path, run_id: str, fronts: Sequence[FrontCosts]) -> None:
    """Writes front_costs.json, complete or not at all."""
    write_stored(run_dir / FRONT_COSTS_FILE, asdict(RunCosts(run_id, tuple(fronts))))


def read_front_costs(run_dir: Path) -> RunCosts:
    """RecordError where there are none, or they are damaged."""
    remedy = f"make it again with `python -m analysis.report.front_costs {run_dir}`."
    return read_stored(run_dir / FRONT_COSTS_FILE, RunCosts, remedy)
