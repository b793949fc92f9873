"""From folders of runs to the answers of `study plan`."""

from dataclasses import dataclass
from pathlib import Path

from analysis.predict.answer import Answered, answered, curves_of, map_of, price_of_all
from analysis.predict.basis import Basis, basis_of, modelled, on_curve
from analysis.predict.plan import PlanQuestion
from analysis.predict.slices import Checked, check_points
from analysis.predict.values import PredictError
from analysis.predict.winner_map import WinnerMap
from analysis.read.run import Run, load_run
from analysis.report.summary import Summary, summarise
from loadtests.records.device_curve import DeviceCurve
from loadtests.records.experiment import Slo

RESULTS = Path(__file__).parents[2] / "results"
MAX_ERROR_RATIO = 0.001
"""Share of failed requests that a plan's SLO allows."""

DEFAULT_RUN = RESULTS / "reference-cpu-2core"
ENGINES_RUN = RESULTS / "reference-engine-share-cpu-2core"
"""Whose engines stand for those of a run that did not measure its own, on the same machine."""


@dataclass(frozen=True)
class Asked:
    """What is asked, in numbers. cores: of the server, with a curve; None: as in the run."""

    rate_rps: float
    slo: Slo
    growth: float = 1.0
    survive: int = 0
    price_per_hour: float | None = None
    cores: int | None = None


@dataclass(frozen=True)
class Planned:
    """A question with its answer and what it rests on. device: the label of a curve; empty: that of
    the run. left_out: contenders that are not predicted, with the reason."""

    rate_rps: float
    growth: float
    survive: int
    slo: Slo
    price_per_hour: float | None
    currency: str
    run_id: str
    engines_from: str
    cpu: str
    cores: int
    run_cores: int
    device: str
    answered: Answered
    left_out: dict[str, str]


def planned(
    folder: Path, asked: Asked, curve: DeviceCurve | None, with_map: bool = False
) -> tuple[Planned, WinnerMap | None]:
    """PredictError where no contender can do what is asked, or the run does not tell."""
    basis = read_basis(folder)[0]
    models, left_out = modelled(basis)
    cores = _cores(asked, basis, curve)
    price, currency = _price(asked, basis, curve)
    if curve is not None:
        models = on_curve(models, curve, cores)
    question = PlanQuestion(
        rate_rps=asked.rate_rps,
        slo=asked.slo,
        growth=asked.growth,
        survive=asked.survive,
        prices=price_of_all(models, price),
    )
    curves = curves_of(models, basis.traffic, asked.slo.percentile)
    found = Planned(
        rate_rps=asked.rate_rps,
        growth=asked.growth,
        survive=asked.survive,
        slo=asked.slo,
        price_per_hour=price,
        currency=currency,
        run_id=basis.run_id,
        engines_from=basis.engines_from,
        cpu=basis.cpu,
        cores=cores,
        run_cores=basis.n_cores,
        device=curve.label if curve else "",
        answered=answered(question, models, curves, basis.traffic),
        left_out=dict(left_out),
    )
    return found, map_of(question, curves) if with_map else None


def checked(folder: Path, costs_from: Path | None = None) -> Checked:
    """Predictions beside the points of a run; costs_from: another run that the fronts' costs come
    from."""
    basis, run, summary = read_basis(folder)
    own = costs_from is None or costs_from.resolve() == folder.resolve()
    models, _ = modelled(basis if costs_from is None else read_basis(costs_from)[0])
    return check_points(run, summary.points, models, basis.traffic, own)


def read_basis(folder: Path) -> tuple[Basis, Run, Summary]:
    """RecordError where the folder is no run."""
    run = load_run(folder)
    summary = summarise(run)
    others = [] if run.engines or not ENGINES_RUN.is_dir() else [load_run(ENGINES_RUN)]
    return basis_of(run, summary.points, others), run, summary


def _cores(asked: Asked, basis: Basis, curve: DeviceCurve | None) -> int:
    if asked.cores is None or asked.cores == basis.n_cores:
        return basis.n_cores
    if curve is None:
        raise PredictError(
            f"expected --cores together with --curve, found it alone: the engines of "
            f"{basis.run_id} ran on {basis.n_cores} of them; leave it out, or name a curve."
        )
    return asked.cores


def _price(asked: Asked, basis: Basis, curve: DeviceCurve | None) -> tuple[float | None, str]:
    """The run's price is that of its own machine."""
    if asked.price_per_hour is not None or curve is not None or basis.price is None:
        return asked.price_per_hour, ""
    return basis.price.server_per_hour, basis.price.currency
