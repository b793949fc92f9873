"""What may be searched of a contender: options that it declares, and the values tried. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from loadtests.records.experiment import Slo
from loadtests.records.tuning import Settings, SettingValue
from servers.discovery import Contender, discover

INSIDE = "tritonserver"
"""The component by which a contender with Triton inside is known."""

MOST_OVERSUBSCRIBED = 2
"""Threads of all instances over the cores: more only take turns."""

DELAY_SHARE = 0.25
"""Of the SLO's latency that waiting for a batch may take."""


class TuneError(ValueError):
    """What cannot be tuned, as one sentence."""


@dataclass(frozen=True)
class Knob:
    """An option with its values in their order; first: the one that is tried alone."""

    option: str
    values: tuple[SettingValue, ...]
    first: SettingValue


KNOBS = (
    Knob("max_batch_size", (4, 8, 16, 32, 64), 8),
    Knob("instances", (1, 2, 4), 2),
    Knob("max_queue_delay_us", (0, 500, 1000, 2000, 5000), 1000),
    Knob("length_buckets", ("128", "64,128", "16,32,64,128", "16,24,32,48,64,96,128"), "64,128"),
    Knob("preferred_batch_sizes", ("", "4", "4,8", "8,16"), "4,8"),
    Knob("threads_per_instance", (0, 1, 2, 4), 1),
)


@dataclass(frozen=True)
class Space:
    """The values of each option that is searched, in their order, and the contender's own."""

    values: Mapping[str, tuple[SettingValue, ...]]
    default: Settings
    n_cores: int

    def possible(self, settings: Settings) -> bool:
        """Whether a whole configuration makes sense: preferred sizes that a batch can have, and no
        more threads than take turns on the cores, those of the default aside."""
        full = {**self.default, **settings}
        most = int(full.get("max_batch_size", 1))
        sizes = str(full.get("preferred_batch_sizes", "")).split(",")
        fit = all(int(size) <= most for size in sizes if size.strip())
        most_threads = max(self._threads(self.default), MOST_OVERSUBSCRIBED * self.n_cores)
        return fit and self._threads(full) <= most_threads

    def _threads(self, settings: Settings) -> int:
        of_each = int(settings.get("threads_per_instance", 0)) or self.n_cores
        return int(settings.get("instances", 1)) * of_each

    def one_change(self) -> list[Settings]:
        """The default with one option changed, each in turn."""
        firsts = {knob.option: knob.first for knob in KNOBS}
        found: list[Settings] = []
        for option, values in self.values.items():
            ordered = sorted(values, key=lambda value: value != firsts.get(option))
            changes = [{**self.default, option: value} for value in ordered]
            possible = [s for s in changes if s != self.default and self.possible(s)]
            found += possible[:1]
        return found

    def all(self) -> Iterator[Settings]:
        """Every configuration that makes sense."""
        for values in product(*self.values.values()):
            settings = dict(zip(self.values, values, strict=True))
            if self.possible(settings):
                yield settings


Key = tuple[tuple[str, SettingValue], ...]


def key(settings: Settings) -> Key:
    """The same for the same configuration."""
    return tuple(sorted(settings.items()))


def space_of(contender: Contender, slo: Slo, n_cores: int) -> Space:
    """What can be searched of a contender on so many cores; TuneError where nothing can."""
    _check(contender)
    declared = [knob for knob in KNOBS if knob.option in contender.options]
    default = {knob.option: contender.options[knob.option] for knob in declared}
    values = {knob.option: _values(knob, default[knob.option], slo, n_cores) for knob in declared}
    searched = {option: found for option, found in values.items() if len(found) > 1}
    return Space(searched, {option: default[option] for option in searched}, n_cores)


def _values(knob: Knob, default: SettingValue, slo: Slo, n_cores: int) -> tuple[SettingValue, ...]:
    """Those that can make sense, and the contender's own; numbers in their order."""
    found = [value for value in knob.values if _bearable(knob.option, value, slo, n_cores)]
    if default in found:
        return tuple(found)
    if isinstance(default, str):
        return (default, *found)
    return tuple(sorted((default, *found), key=float))


def _bearable(option: str, value: SettingValue, slo: Slo, n_cores: int) -> bool:
    if option == "max_queue_delay_us":
        return float(value) / 1000 <= DELAY_SHARE * slo.latency_ms
    if option == "threads_per_instance":
        return float(value) < n_cores  # 0 stands for all of them
    return option != "instances" or float(value) <= MOST_OVERSUBSCRIBED * n_cores


def _check(contender: Contender) -> None:
    why = ""
    if contender.form != "embedded":
        why = "which runs elsewhere"
    elif not contender.batching:
        why = "which has no batcher"
    if INSIDE not in contender.components:
        why = "which has no Triton inside"
    if why:
        able = [c.name for c in discover().values() if INSIDE in c.components and c.batching]
        raise TuneError(
            f"expected a contender with Triton and its batcher inside, found {contender.name!r}, "
            f"{why}: choose one of {', '.join(able)}."
        )
