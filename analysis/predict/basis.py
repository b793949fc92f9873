"""What a run gives to predictions: its contenders as fronts before a device."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.capacity.load_points import Point
from analysis.predict.fronts import fitted_front, front_shape, loads_of, traffic_of, with_costs
from analysis.predict.load_curve import measured_levels
from analysis.predict.measured_engine import MeasuredEngine
from analysis.predict.values import Device, Front, Predicted, PredictError, Traffic
from analysis.read.contenders import ADDED_OPTIONS, ContenderFacts, contender_facts
from analysis.read.run import Run
from loadtests.records.device_curve import DeviceCurve, curve_named
from loadtests.records.engines import EngineFacts
from loadtests.records.experiment import Price
from loadtests.records.front_costs import FrontCosts
from loadtests.records.manifest import Manifest

_OF_THE_DEVICE = frozenset(
    {"device", "precision", "cuda_graphs", "tensorrt", "curve", "threads_per_pass"}
)
PREFERRED_ENGINE = "onnxruntime"
"""Whose contender gives the costs of a front where several differ in their engine only: a pass of
it has the least work that is not the network's."""


@dataclass(frozen=True)
class Basis:
    """A run as far as predictions use it. engines_from: the run in which its engines were measured
    alone; points: every contender at every load level."""

    run_id: str
    cpu: str
    n_cores: int
    facts: tuple[ContenderFacts, ...]
    points: tuple[Point, ...]
    traffic: Traffic
    engines: tuple[EngineFacts, ...]
    engines_from: str
    price: Price | None


@dataclass(frozen=True)
class Modelled:
    """A contender that can be predicted. label: of the simulated device, empty where none is;
    stands_for: others that differ from it in the engine only; measured: its levels."""

    facts: ContenderFacts
    front: Front
    device: Device
    label: str
    measured: tuple[Predicted, ...] = ()
    stands_for: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.facts.name

    @property
    def is_per_request_fastapi(self) -> bool:
        return self.facts.server == "fastapi_service" and self.front.max_batch_size == 1


def basis_of(run: Run, points: Sequence[Point], others: Sequence[Run] = ()) -> Basis:
    """others: runs whose engines stand for those of a run that did not measure its own, where the
    machine's processor, the cores of the server and the model are the same."""
    alike = [each for each in (run, *others) if same_setup(each.manifest, run.manifest)]
    having = next((each for each in alike if each.engines), None)
    lengths = [trial.requests["n_tokens"] for trial in run.trials if len(trial.requests)]
    manifest = run.manifest
    return Basis(
        run_id=manifest.run_id,
        cpu=manifest.machine.cpu_model,
        n_cores=len(manifest.cores["server"]),
        facts=tuple(contender_facts(run)),
        points=tuple(points),
        traffic=traffic_of(pd.concat(lengths).dropna().to_numpy() if lengths else ()),
        engines=having.engines if having else (),
        engines_from=having.manifest.run_id if having else "",
        price=manifest.experiment.price,
    )


def same_setup(a: Manifest, b: Manifest) -> bool:
    """Whether what was measured in one run may stand for the other: processor, cores, model."""
    return (a.machine.cpu_model, len(a.cores["server"]), a.model.digest) == (
        b.machine.cpu_model,
        len(b.cores["server"]),
        b.model.digest,
    )


def modelled(basis: Basis) -> tuple[list[Modelled], Mapping[str, str]]:
    """The contenders of a run on the devices that they ran on, and why others are left out, by
    name; PredictError where that is all of them."""
    found: list[Modelled] = []
    left_out: dict[str, str] = {}
    for facts in basis.facts:
        try:
            found.append(_modelled(facts, basis))
        except PredictError as problem:
            left_out[facts.name] = str(problem)
    if not found:
        first = next(iter(left_out.values()), "no contender was measured")
        raise PredictError(
            f"expected a run whose contenders can be predicted, found none in {basis.run_id} "
            f"({first.rstrip('.')}): choose another run."
        )
    return found, left_out


def _modelled(facts: ContenderFacts, basis: Basis) -> Modelled:
    shape = front_shape(facts, basis.n_cores)
    device = device_of(facts, basis.engines, basis.engines_from or basis.run_id)
    loads = loads_of(basis.points, facts.name)
    front = fitted_front(shape, device, basis.traffic, loads)
    measured = tuple(measured_levels(basis.points, facts.name))
    return Modelled(facts, front, device, facts.simulated_device, measured)


def device_of(facts: ContenderFacts, engines: Sequence[EngineFacts], engines_from: str) -> Device:
    """What runs a contender's passes; PredictError where that was not measured alone."""
    if facts.simulated_device:
        return curve_named(facts.options["curve"])
    for engine in engines:
        fits = engine.engine == facts.engine and engine.placement.device == facts.device
        if engine.available and fits and _precision(facts) == engine.placement.precision:
            return MeasuredEngine(engine)
    raise PredictError(
        f"expected the engine of {facts.name} ({facts.placed_engine}) measured alone, found "
        f"nothing in {engines_from}: run an experiment with [engines]."
    )


def _precision(facts: ContenderFacts) -> str:
    return facts.options.get("precision", "fp32")


def on_curve(models: Sequence[Modelled], curve: DeviceCurve, n_cores: int) -> list[Modelled]:
    """The same servers before the device of a curve, each kind once: with it, contenders that
    differ in their engine only are the same."""
    kinds: dict[tuple[object, ...], list[Modelled]] = {}
    for each in models:
        kinds.setdefault(kind_of(each.facts), []).append(each)
    return [_on_curve(alike, curve, n_cores) for alike in kinds.values()]


def kind_of(facts: ContenderFacts | FrontCosts) -> tuple[object, ...]:
    """A server as it is set up, whatever runs its passes."""
    options = {
        name: value
        for name, value in (*ADDED_OPTIONS.items(), *facts.options.items())
        if name not in _OF_THE_DEVICE
    }
    return facts.server, facts.protocol, facts.setting, tuple(sorted(options.items()))


def _on_curve(alike: Sequence[Modelled], curve: DeviceCurve, n_cores: int) -> Modelled:
    first = alike[0]
    costs = next((m for m in alike if m.facts.engine == PREFERRED_ENGINE), first).front
    own = curve_is_of_host(curve)
    options = first.facts.options | {"device": "cpu" if own else "cuda"}
    facts = first.facts.model_copy(
        update={"options": options, "simulated_device": "" if own else curve.label}
    )
    return Modelled(
        facts=facts.model_copy(update={"simulated_device": curve.label}),
        front=with_costs(front_shape(facts, n_cores), costs),
        device=curve,
        label=curve.label,
        stands_for=tuple(each.name for each in alike[1:]),
    )


def curve_is_of_host(curve: DeviceCurve) -> bool:
    """Whether the device is the server's own processor: every second of a pass is the host's."""
    return curve.host_share == 1 and all(point.host_s is None for point in curve.points)
