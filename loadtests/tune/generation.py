"""The experiment of a generation: the default beside its candidates, in the usual rotation; and how
the time is divided among generations. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from loadtests.plan.rounds import expected_lengths_s
from loadtests.plan.time_budget import CLOSING_S, BudgetError
from loadtests.records.durations import clock
from loadtests.records.experiment import CalibrationSpec, CapacitySpec, LoadSpec
from loadtests.records.tuning import FINAL, Settings, Tuning, changed
from loadtests.spec.contenders import resolve_contenders
from loadtests.spec.experiment import Experiment, VariantSpec
from servers.discovery import discover

NULL_SERVER = "null_service"

FIRST_START_RPS = 50.0
"""Where the search for capacity begins while that of the default is unknown."""

LOWEST_RPS, HIGHEST_RPS = 1.0, 5000.0

RESOLUTION, FINAL_RESOLUTION = 1.1, 1.05
"""Steps between rates: no smaller difference of capacities is claimed."""

ROUNDS, FINAL_ROUNDS = 10, 12
"""Rounds that a generation needs: half of them at the low rate. Three of these allow a verdict on
P50, and four slices an estimate of capacity; the last generation has to be surer."""

NEAR_CAPACITY = 1.4
"""How much longer than the shortest slices those are that a search makes, on average."""

SEARCH_SHARE = 0.6
"""Of the time: what is left is for the last generation, on which the verdict rests."""


END_S = 20.0
"""What the verdict, its page and its figure take."""


@dataclass(frozen=True)
class Shares:
    """How many generations search, and the time of each and of the last one."""

    generations: int
    generation_s: float
    final_s: float


def generation_name(number: int) -> str:
    return f"generation-{number}"


def generation(
    tuning: Tuning, number: int, candidates: Mapping[str, Settings], start_rps: float | None
) -> Experiment:
    """One that searches."""
    said = f"Generation {number} of the search for a configuration of {tuning.contender}"
    base = {
        "name": generation_name(number),
        "description": said,
        "seed": (tuning.seed + number) % 2**32,
    }
    return _experiment(tuning, candidates, start_rps, RESOLUTION, base, tuning.generation_s)


def final(
    tuning: Tuning, candidates: Mapping[str, Settings], start_rps: float | None
) -> Experiment:
    """The last one, on which the verdict rests: with smaller steps, an A/A test of the default, and
    starts by turns, since two starts of one program differ for as long as they last."""
    said = f"The best configurations of {tuning.contender} beside its default, measured once more"
    base = {"name": FINAL, "description": said, "seed": tuning.seed}
    sure = {"aa_test": tuning.contender, "restarts_per_round": 1}
    return _experiment(tuning, candidates, start_rps, FINAL_RESOLUTION, base | sure, tuning.final_s)


def settings_of(experiment: Experiment, tuning: Tuning) -> dict[str, Settings]:
    """The whole configuration of each candidate of a generation, by its name."""
    return {variant.name: {**tuning.default, **variant.options} for variant in experiment.variants}


def _experiment(
    tuning: Tuning,
    candidates: Mapping[str, Settings],
    start_rps: float | None,
    resolution: float,
    base: Mapping[str, object],
    length_s: float,
) -> Experiment:
    begin_rps = min(max(start_rps or FIRST_START_RPS, LOWEST_RPS), HIGHEST_RPS)
    variants = [
        VariantSpec(name=name, base=tuning.contender, options=changed(settings, tuning.default))
        for name, settings in candidates.items()
    ]
    fields: dict[str, object] = {
        **base,
        "time_budget_s": length_s,
        "reference": tuning.contender,
        "contenders": (tuning.contender, *candidates),
        "slo": tuning.slo,
        "load": LoadSpec(
            rates_rps=(tuning.low_rps,),
            request_timeout_s=min(10.0, max(3.0, 5 * tuning.slo.latency_ms / 1000)),
        ),
        "capacity": CapacitySpec(
            start_rps=float(f"{begin_rps:.3g}"),
            min_rps=LOWEST_RPS,
            max_rps=HIGHEST_RPS,
            resolution=resolution,
        ),
        "calibration": CalibrationSpec(
            contenders=_null_servers(tuning.contender), warmup_s=0.5, steady_s=2
        ),
        "model": tuning.model,
        "texts": tuning.texts,
        "variants": tuple(variants),
    }
    return Experiment.model_validate(fields)


def _null_servers(contender: str) -> tuple[str, ...]:
    """Those that answer at once over the contender's protocol."""
    known = discover()
    protocol = known[contender].protocol
    alike = (each for each in known.values() if each.protocol == protocol)
    return tuple(each.name for each in alike if each.server == NULL_SERVER)


def least_s(experiment: Experiment, rounds: int) -> float:
    """The time that so many rounds of an experiment take, its starts and its end included."""
    before_s, round_s = expected_lengths_s(experiment, resolve_contenders(experiment))
    return before_s + rounds * NEAR_CAPACITY * round_s + CLOSING_S


def shares(left_s: float, generation_s: float, final_s: float) -> Shares:
    """left_s, divided; generation_s and final_s: the least that one takes. BudgetError where it
    does not suffice for one generation and the last."""
    measured_s = left_s - END_S
    if generation_s + final_s > measured_s:
        raise BudgetError(
            f"expected at least {clock(generation_s + final_s + END_S)} of the time budget once "
            f"the model is there (a generation {clock(generation_s)}, the last one "
            f"{clock(final_s)}, the end {clock(END_S)}), found {clock(max(0.0, left_s))}; give "
            "more time, or fewer --candidates and --finalists."
        )
    search_s = max(generation_s, min(SEARCH_SHARE * measured_s, measured_s - final_s))
    n = int(search_s // generation_s)
    return Shares(n, search_s / n, measured_s - search_s)
