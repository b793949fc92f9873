"""The predictions of a run that begins: from its folder and the committed runs to a record."""

from pathlib import Path

from analysis.predict.basis import same_setup
from analysis.predict.beforehand import Known, predict_all
from analysis.predict.fronts import traffic_of
from analysis.predict.values import PredictError
from analysis.read.contenders import facts_of
from analysis.report.planning import DEFAULT_RUN, ENGINES_RUN
from loadtests.records.arrivals import Arrivals
from loadtests.records.engines import EngineFacts, read_engines
from loadtests.records.front_costs import RunCosts, read_front_costs
from loadtests.records.manifest import Manifest, read_manifest
from loadtests.records.predictions import PredictionBasis, Predictions, ToPredict
from loadtests.records.stored import RecordError


def predict_run(
    asked: ToPredict, costs_run: Path = DEFAULT_RUN, engines_run: Path = ENGINES_RUN
) -> Predictions:
    """Of a run that cannot be predicted, the reason. costs_run: an earlier run, whose fronts were
    fitted; engines_run: whose engines stand in where neither run measured its own."""
    try:
        return _predictions(asked, costs_run, engines_run)
    except (PredictError, RecordError) as problem:
        return Predictions(str(problem))


def _predictions(asked: ToPredict, costs_run: Path, engines_run: Path) -> Predictions:
    manifest, earlier = read_manifest(asked.run_dir), read_manifest(costs_run)
    arrivals = manifest.experiment.load.arrivals
    engines, engines_from = _engines(manifest, (asked.run_dir, costs_run, engines_run))
    known = Known(
        costs=_costs(costs_run, earlier, manifest),
        engines=engines,
        engines_from=engines_from,
        n_cores=len(manifest.cores["server"]),
        traffic=traffic_of(asked.n_tokens, _gap_cv(arrivals)),
    )
    if not asked.rates_rps:
        raise PredictError(
            "expected an arrival rate to predict, found callers in closed loops only: add "
            "rates_rps or [capacity] to the experiment."
        )
    facts = [facts_of(declared) for declared in asked.contenders]
    found, left_out = predict_all(facts, asked.rates_rps, known, asked.within_s)
    basis = PredictionBasis(
        costs_from=earlier.run_id,
        costs_created_at=earlier.created_at,
        costs_commit=earlier.git.commit,
        engines_from=engines_from,
    )
    return Predictions("", basis, tuple(found), left_out)


def _costs(folder: Path, earlier: Manifest, manifest: Manifest) -> RunCosts:
    if not same_setup(earlier, manifest):
        raise PredictError(
            f"expected an earlier run on {_setup(manifest)}, found {earlier.run_id} on "
            f"{_setup(earlier)}: its costs do not carry over, so nothing is predicted."
        )
    costs = read_front_costs(folder)
    if costs.run_id != earlier.run_id:
        raise PredictError(
            f"expected the costs of {earlier.run_id} in {folder}, found those of {costs.run_id}: "
            f"make them again with `python -m analysis.report.front_costs {folder}`."
        )
    return costs


def _setup(manifest: Manifest) -> str:
    model, n_cores = manifest.model, len(manifest.cores["server"])
    return f"{manifest.machine.cpu_model}, {n_cores} of its cores, model {model.digest[:12]}"


def _engines(manifest: Manifest, folders: tuple[Path, ...]) -> tuple[tuple[EngineFacts, ...], str]:
    """Those of the first run of the same setup that has some, and its id."""
    for folder in folders:
        engines = read_engines(folder)
        if engines and same_setup(measured := read_manifest(folder), manifest):
            return engines, measured.run_id
    return (), folders[-1].name


def _gap_cv(arrivals: Arrivals) -> float:
    if arrivals.gap_cv is None:
        raise PredictError(
            f"expected arrivals of one rate, found {arrivals.kind}: queues of changing rates are "
            "not predicted."
        )
    return arrivals.gap_cv
