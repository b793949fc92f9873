"""Contenders and engines that differ in one thing only, and the ratios between them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import permutations, product
from typing import Any

from analysis.capacity.certified import Capacity, ratio_of
from analysis.claims.judge import ClaimMeasurement, Quantity
from analysis.read.contenders import ContenderFacts
from loadtests.records.engines import PLACEMENT_OPTIONS, EngineFacts

ContenderPair = tuple[ContenderFacts, ContenderFacts]

BATCHING_OPTIONS = frozenset({"batcher", "max_batch_size", "batch_timeout_ms", "threads_per_pass"})
"""What may differ between a contender and the same one that batches: one that takes whole batches
has all threads for each of them."""


def pairs(contenders: Sequence[ContenderFacts]) -> Iterator[ContenderPair]:
    """Every two contenders, in both orders."""
    return permutations(contenders, 2)


def same_but(before: ContenderFacts, after: ContenderFacts, *options: str) -> bool:
    """Whether two run the same server and engine, and differ at most in these options."""
    kept = (before.options.keys() | after.options.keys()) - set(options)
    return (before.server, before.engine, before.setting) == (
        after.server,
        after.engine,
        after.setting,
    ) and all(before.options.get(name) == after.options.get(name) for name in kept)


def same_engine(before: ContenderFacts, after: ContenderFacts) -> bool:
    """Whether two run the same engine in the same place."""
    placements = [[c.options.get(name) for name in PLACEMENT_OPTIONS] for c in (before, after)]
    return before.engine == after.engine and placements[0] == placements[1]


def batching_pairs(contenders: Sequence[ContenderFacts]) -> Iterator[ContenderPair]:
    """One that does not batch and one that does, asked over the same protocol: the same server with
    its batcher off and on, or tuned FastAPI and LitServe, which is of its family."""
    for before, after in pairs(contenders):
        comparable = same_engine(before, after) and before.protocol == after.protocol
        if before.batches or not after.batches or not comparable:
            continue
        family = (before.server, before.setting, after.server)
        is_family = family == ("fastapi_service", "tuned", "litserve_service")
        if is_family or same_but(before, after, *BATCHING_OPTIONS):
            yield before, after


def differing(
    contenders: Sequence[ContenderFacts], option: str, values: tuple[str, str]
) -> Iterator[ContenderPair]:
    """The same server and engine with an option at the first and at the second value."""
    for before, after in pairs(contenders):
        found = (before.options.get(option), after.options.get(option))
        if found == values and same_but(before, after, option):
            yield before, after


def gains(
    capacities: Mapping[str, Capacity], compared: Iterable[ContenderPair]
) -> list[ClaimMeasurement]:
    """Capacity of the second over that of the first, where the two intervals bound it."""
    found = []
    for before, after in compared:
        first, second = capacities.get(before.name), capacities.get(after.name)
        low, middle, high = ratio_of(second, first) if second else (None, None, None)
        if low is not None or high is not None:
            ends = (low, middle, high)
            found.append(between(Quantity.CAPACITY_RATIO, after.name, ends, over=before.name))
    return found


def engine_gains(
    engines: Sequence[EngineFacts], differs: str, values: tuple[object, object], *ignored: str
) -> list[ClaimMeasurement]:
    """Rates of an engine over those of another, alone, at the smallest and largest batch and length
    that both measured. They differ in one field, and may differ in those ignored."""
    found = []
    usable = [engine for engine in engines if engine.available and engine.curve]
    for before, after in permutations(usable, 2):
        first, second = _described(before, ignored), _described(after, ignored)
        if (first.pop(differs), second.pop(differs)) != values or first != second:
            continue
        rates = [{(p.batch, p.length_tokens): p.rate_rps for p in e.curve} for e in (before, after)]
        for batch, length in _corners(rates[0].keys() & rates[1].keys()):
            ratio = rates[1][batch, length] / rates[0][batch, length]
            found.append(
                exactly(
                    *(Quantity.ENGINE_RATE_RATIO, after.title, ratio),
                    over=before.title,
                    batch=batch,
                    length_tokens=length,
                )
            )
    return found


def exactly(quantity: Quantity, of: str, value: float, **where: Any) -> ClaimMeasurement:
    """A measurement without an interval of its own; where: further fields of it."""
    return between(quantity, of, (value, value, value), **where)


def between(
    quantity: Quantity, of: str, ends: tuple[float | None, float | None, float | None], **where: Any
) -> ClaimMeasurement:
    """A measurement with its interval; ends: low, value and high."""
    low, value, high = ends
    return ClaimMeasurement(quantity=quantity, of=of, value=value, low=low, high=high, **where)


def _corners(cells: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    known = set(cells)
    if not known:
        return []
    batches, lengths = zip(*known, strict=True)
    ends = product((min(batches), max(batches)), (min(lengths), max(lengths)))
    return [cell for cell in dict.fromkeys(ends) if cell in known]


def _described(engine: EngineFacts, ignored: Sequence[str]) -> dict[str, object]:
    fields = {"engine": engine.engine, **asdict(engine.placement)}
    return {name: value for name, value in fields.items() if name not in ignored}
