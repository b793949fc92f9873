"""summary.json: everything the report says, in one machine-readable value."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

from analysis.capacity.certified import Capacity, as_certified, capacities
from analysis.capacity.cost import Cost, costs
from analysis.capacity.engine_efficiency import EngineEfficiency, engine_efficiencies, engine_share
from analysis.capacity.load_points import Point, points
from analysis.claims.judge import ClaimFound
from analysis.claims.measures import Findings, judge_claims
from analysis.compare.aa_test import NoiseFloor, noise_checks, noise_floor
from analysis.compare.ratios import (
    CapacityRatio,
    Comparison,
    Saturation,
    Step,
    ablation,
    capacity_ratios,
    comparisons,
    saturations,
)
from analysis.compare.verdicts import Repeats
from analysis.decide.asked import NOTHING_ASKED, Asked
from analysis.decide.bottleneck import BottleneckFound, LoadFacts, find_bottlenecks, load_facts
from analysis.decide.recommend import Recommendation, candidates_of, cpu_verdicts, recommend
from analysis.overload.beyond import BeyondCapacity, beyond_capacity
from analysis.overload.points import OverloadPoint, overload_points
from analysis.predict.compared import Foretold, foretold
from analysis.read.contenders import ContenderFacts, contender_facts
from analysis.read.run import Run
from analysis.read.value import Value
from analysis.report.cautions import Caution, Disturbed, cautions, disturbed_trials
from analysis.steady.gpu import GpuFigure, gpu_figures
from analysis.steady.simulated_passes import SimulatedPasses, simulated_passes
from analysis.validity.reasons import EFFECTS, Effect, Reason
from analysis.validity.trials import Ceiling, TrialResult, ceilings, judge_trials
from loadtests.records.engines import EngineFacts
from loadtests.records.experiment import Price, Slo
from loadtests.records.manifest import Manifest
from loadtests.records.markdown import table

SUMMARY_SCHEMA_VERSION = 4
MOST_CODES = 12


class Failure(Value):
    """A contender that failed in some trials."""

    contender: str = Field(description="Name of the contender.")
    n_trials: int = Field(description="Trials that failed for this reason.")
    reason: str | None = Field(description="Why, as recorded; null: nothing was recorded.")
    log_tail: list[str] = Field(description="Last lines of its log, from the first such trial.")


class Summary(Value):
    """summary.json: every number of report.html and decision.md, nulls kept."""

    schema_version: int = Field(default=SUMMARY_SCHEMA_VERSION, description="Version of this file.")
    manifest: Manifest = Field(description="What was run, where and with which model.")
    warnings: list[Caution] = Field(
        description="What a reader must know before any number; model_notes are those in "
        "manifest.model.notes."
    )
    disturbed: Disturbed = Field(description="Trials during which the machine was disturbed.")
    slos: list[Slo] = Field(description="The objectives, the main one first.")
    recommendation: Recommendation = Field(description="The answer, under the main SLO.")
    capacities: list[Capacity] = Field(
        description="What each contender sustains under each SLO, the main one first."
    )
    capacity_ratios: list[CapacityRatio] = Field(
        description="Each contender's estimated capacity over the reference's, in the same order."
    )
    points: list[Point] = Field(description="Every contender at every load level.")
    price: Price | None = Field(
        description="What an hour of the server's machine costs; null: not given."
    )
    costs: list[Cost] = Field(
        description="What a million requests take at the certified capacity under the main SLO."
    )
    saturation: list[Saturation] = Field(description="The most each contender answered.")
    overloads: list[OverloadPoint] = Field(
        description="Every contender at every multiple of its capacity; empty: the experiment has "
        "no [overload]."
    )
    beyond_capacity: list[BeyondCapacity] = Field(
        description="What comes of each contender beyond its capacity."
    )
    gpu_figures: list[GpuFigure] = Field(
        description="What is known of the GPU, what it means and who says so; empty: nothing."
    )
    engines: list[EngineFacts] = Field(
        description="Each engine measured alone; empty: the experiment has no [engines]."
    )
    engine_efficiencies: list[EngineEfficiency] = Field(
        description="How near each contender comes to its engine alone; empty: none measured."
    )
    bottlenecks: list[BottleneckFound] = Field(
        description="What keeps each contender from answering more, at its highest load."
    )
    claims: list[ClaimFound] = Field(
        description="What the two documents claim of GPUs and batching, and what was measured."
    )
    simulated_passes: list[SimulatedPasses] = Field(
        description="How exactly simulated devices kept to their curves; empty: none is simulated."
    )
    foretold: Foretold | None = Field(
        description="Predictions stored before the first trial, beside what was measured; null: "
        "the run has none."
    )
    comparison: list[Comparison] = Field(
        description="Ratios to the reference by common arrival rate, paired by round."
    )
    noise_floor: NoiseFloor | None = Field(
        description="The A/A test: one contender against itself; null: not measured."
    )
    ablation: list[Step] = Field(description="Where the gain comes from, change by change.")
    trials: list[TrialResult] = Field(
        description="Every trial with its certificate, in the order in which they were made."
    )
    contenders: list[ContenderFacts] = Field(description="What was compared.")
    failures: list[Failure] = Field(description="Trials that did not complete.")
    ceilings: list[Ceiling] = Field(description="What the load generator itself can do.")
    validity_reasons: dict[Reason, Effect] = Field(
        description="The closed list of reasons, each with what it does to a point."
    )


def summarise(run: Run, asked: Asked = NOTHING_ASKED) -> Summary:
    """Computes everything the report says from the rows of a run, and answers what is asked of it;
    AskedError where it cannot. Without a price the experiment's counts."""
    experiment = run.manifest.experiment
    least = experiment.min_difference
    found_ceilings = ceilings(run)
    judged = judge_trials(run, found_ceilings)
    repeats = Repeats(judged, experiment)
    floor = noise_floor(repeats, experiment)
    levels = {trial.result.level for trial in judged if trial.result.mode == "open"}
    found_points = points(judged, run.manifest, noise_checks(floor, levels, experiment))
    overloads = overload_points(judged, run)
    found_capacities = capacities(judged, experiment)
    main = [capacity for capacity in found_capacities if capacity.slo == experiment.slo]
    trials = [trial.result for trial in judged]
    contenders = contender_facts(run)
    asked.check(contenders)
    asked = replace(asked, price=asked.price or experiment.price)
    found_efficiencies = engine_efficiencies(
        found_points, run.engines, {c.name: c.batches for c in contenders}
    )
    by_name = {capacity.contender: capacity for capacity in main}
    found_points = [as_certified(point, by_name.get(point.contender)) for point in found_points]
    candidates = candidates_of(main, contenders, asked.weights, trials)
    cpu = cpu_verdicts(repeats, floor, least)
    disturbed = disturbed_trials(run)
    return Summary(
        manifest=run.manifest,
        warnings=cautions(run, disturbed),
        disturbed=disturbed,
        slos=list(experiment.slos),
        recommendation=recommend(candidates, cpu, experiment, asked),
        capacities=found_capacities,
        capacity_ratios=capacity_ratios(
            found_capacities, experiment.reference, experiment.least_capacity_difference
        ),
        points=found_points,
        price=asked.price,
        costs=costs(main, found_points, asked.price),
        gpu_figures=gpu_figures(run),
        engines=list(run.engines),
        engine_efficiencies=found_efficiencies,
        bottlenecks=_bottlenecks(run, contenders, found_points, found_ceilings),
        claims=judge_claims(Findings(contenders, found_points, by_name, run.engines, repeats)),
        simulated_passes=simulated_passes(run),
        foretold=foretold(run.predictions, found_points) if run.predictions else None,
        saturation=saturations(
            [*found_points, *overloads], experiment.contenders, experiment.reference
        ),
        overloads=overloads,
        beyond_capacity=beyond_capacity(contenders, found_points, overloads, main),
        comparison=comparisons(repeats, floor, experiment),
        noise_floor=floor,
        ablation=ablation(
            contenders, [*found_points, *overloads], main, repeats, floor, experiment
        ),
        trials=trials,
        contenders=contenders,
        failures=_failures(run),
        ceilings=found_ceilings,
        validity_reasons=dict(EFFECTS),
    )


def write_summary(summary: Summary, path: Path) -> None:
    path.write_text(summary.model_dump_json(indent=2) + "\n", encoding="utf-8")


def fields_markdown() -> str:
    """A Markdown table of the fields of summary.json, for results/README.md."""
    # Where there may be one of several objects, they share fields: each is one row.
    rows = {name: (f"`{name}`", kind, text) for name, kind, text in _fields(Summary, "")}
    return table(("field", "type", "meaning"), rows.values())


def _fields(model: type, prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, annotation, description in _declared(model):
        kind, inner, optional = _kind(annotation)
        label = f"{kind} or null" if optional else kind
        path = f"{prefix}{name}{'[]' if kind.startswith('list') else ''}"
        yield path, label, f"{description}{_codes(annotation)}"
        for each in inner:
            yield from _fields(each, f"{path}.")


def _declared(model: type) -> Iterator[tuple[str, Any, str]]:
    """Name, type and description of each field of a model or a dataclass."""
    if issubclass(model, BaseModel):
        for name, field in model.model_fields.items():
            yield name, field.annotation, field.description or ""
        return
    for name, hint in get_type_hints(model, include_extras=True).items():
        notes = [part for part in get_args(hint) if isinstance(part, FieldInfo)]
        yield name, hint, (notes[-1].description if notes else "") or ""


def _codes(annotation: Any) -> str:
    """The codes that a field may hold, unless they are too many for a table."""
    for found in (annotation, *get_args(annotation)):
        if isinstance(found, type) and issubclass(found, StrEnum) and len(found) <= MOST_CODES:
            return f" One of: {', '.join(found)}."
    return ""


def _kind(annotation: Any) -> tuple[str, Sequence[type], bool]:
    """Name of a field's type, the models that may be inside it, and whether it may be null."""
    args, origin = get_args(annotation), get_origin(annotation)
    if origin is Annotated:
        return _kind(args[0])
    if origin is Literal:
        return "text", (), False
    if origin in (Union, UnionType):
        kinds = [_kind(arg) for arg in args if arg is not NoneType]
        return kinds[0][0], [each for kind in kinds for each in kind[1]], NoneType in args
    if args:
        container = "map" if origin in (dict, Mapping) else "list"
        kind, inner, _ = _kind(args[1] if container == "map" else args[0])
        return f"{container} of {kind}", inner, False
    if issubclass(annotation, BaseModel) or is_dataclass(annotation):
        return "object", (annotation,), False
    names = {bool: "true or false", int: "integer", float: "number"}
    return names.get(annotation, "text"), (), False


def _bottlenecks(
    run: Run,
    contenders: list[ContenderFacts],
    found_points: list[Point],
    found_ceilings: list[Ceiling],
) -> list[BottleneckFound]:
    by_protocol = {ceiling.protocol: ceiling for ceiling in found_ceilings}
    by_name = {contender.name: contender for contender in contenders}

    def facts_of(point: Point) -> LoadFacts | None:
        contender = by_name[point.contender]
        return load_facts(
            point,
            by_protocol.get(contender.protocol),
            engine_share(point, run.engines, contender.batches),
            contender.device.endswith("cuda"),
            len(run.manifest.cores.get("server", ())),
            run.manifest.experiment.slo.latency_ms,
        )

    return find_bottlenecks(found_points, facts_of)


def _failures(run: Run) -> list[Failure]:
    groups: dict[tuple[str, str | None], list[tuple[str, ...]]] = {}
    for trial in run.trials:
        if not trial.completed:
            key = (trial.record.contender_name, trial.record.reason)
            groups.setdefault(key, []).append(trial.record.log_tail)
    return [
        Failure(contender=name, n_trials=len(tails), reason=reason, log_tail=list(tails[0]))
        for (name, reason), tails in groups.items()
    ]
